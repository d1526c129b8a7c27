/**
 * One option, three spellings: `learningRate` inside, `learning_rate` as Hugging Face and the contracts write it,
 * `learning-rate` on the command line. Errors name the field as its user knows it.
 */
export type Spelling = 'camel' | 'snake' | 'kebab';

export function spell(key: string, spelling: Spelling): string {
  if (spelling === 'camel') return key;
  const separator = spelling === 'snake' ? '_' : '-';
  const name = key.replace(/[A-Z]|(?<=[a-z])\d/g, (part) => separator + part.toLowerCase());
  // Hugging Face writes adam_beta1, not adam_beta_1.
  return name.replace(/(adam.beta).(\d)/, '$1$2');
}

/** Any spelling → `camelCase`. */
export function camelCase(name: string): string {
  return name.replace(/[-_]([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
