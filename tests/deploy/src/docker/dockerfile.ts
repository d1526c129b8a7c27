/**
 * A Dockerfile as stages of steps, by an existing parser. What is not known here is an error: a step that were skipped in
 * silence would make the assembled file system another one than Docker's.
 */
import { readFileSync } from 'node:fs';
import {
  DockerfileParser,
  type Copy,
  type From,
  type Instruction,
  type JSONInstruction,
  type PropertyInstruction,
} from 'dockerfile-ast';

export interface Secret {
  readonly id: string;
  readonly target: string;
}

export type Values = Readonly<Record<string, string>>;

export type Step =
  | { readonly kind: 'run'; readonly script: string; readonly secrets: readonly Secret[] }
  | {
      readonly kind: 'copy';
      readonly from?: string;
      readonly sources: readonly string[];
      readonly target: string;
    }
  | { readonly kind: 'arg' | 'env' | 'label'; readonly values: Values }
  | { readonly kind: 'workdir' | 'user' | 'stopsignal'; readonly value: string }
  | { readonly kind: 'entrypoint' | 'cmd' | 'healthcheck'; readonly argv: readonly string[] }
  | { readonly kind: 'expose' | 'volume'; readonly list: readonly string[] };

export interface Stage {
  readonly name: string;
  /** Another stage, or an image. */
  readonly from: string;
  readonly steps: readonly Step[];
}

export function readDockerfile(path: string): Stage[] {
  const stages: { name: string; from: string; steps: Step[] }[] = [];
  for (const instruction of DockerfileParser.parse(readFileSync(path, 'utf8')).getInstructions()) {
    if (instruction.getKeyword() === 'FROM') {
      const from = instruction as From;
      stages.push({
        name: from.getBuildStage() ?? String(stages.length),
        from: from.getImage() ?? '',
        steps: [],
      });
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) throw unknown(instruction);
    stage.steps.push(stepOf(instruction));
  }
  return stages;
}

function stepOf(instruction: Instruction): Step {
  const keyword = instruction.getKeyword();
  const words = instruction.getArguments().map((argument) => argument.getValue());
  switch (keyword) {
    case 'RUN':
      return {
        kind: 'run',
        script: scriptOf(instruction),
        secrets: secretsOf(instruction as JSONInstruction),
      };
    case 'COPY':
      return copyOf(instruction as Copy, words);
    case 'ARG':
    case 'ENV':
    case 'LABEL':
      return { kind: lower(keyword), values: valuesOf(instruction as PropertyInstruction) };
    case 'WORKDIR':
    case 'USER':
    case 'STOPSIGNAL':
      return { kind: lower(keyword), value: words.join(' ') };
    case 'ENTRYPOINT':
    case 'CMD':
    case 'HEALTHCHECK':
      return { kind: lower(keyword), argv: argvOf(instruction) };
    case 'EXPOSE':
    case 'VOLUME':
      return { kind: lower(keyword), list: words };
    default:
      throw unknown(instruction);
  }
}

const lower = <T extends string>(keyword: T): Lowercase<T> => keyword.toLowerCase() as Lowercase<T>;

/** The shell reads continued lines as Docker does; flags are not its. */
function scriptOf(instruction: Instruction): string {
  const text = instruction.getRawArgumentsContent() ?? '';
  return text.replace(/^(?:--\S+\s+(?:\\\n\s*)?)*/, '');
}

function secretsOf(run: JSONInstruction): Secret[] {
  return run.getFlags().map((flag) => {
    const option = (name: string): string => flag.getOption(name)?.getValue() ?? '';
    if (flag.getName() !== 'mount' || option('type') !== 'secret') throw unknown(run);
    return { id: option('id'), target: option('target') };
  });
}

function copyOf(copy: Copy, words: readonly string[]): Step {
  const known = copy.getFlags().every((flag) => ['from', 'link'].includes(flag.getName()));
  if (!known || words.length < 2) throw unknown(copy);
  const from =
    copy
      .getFlags()
      .find((flag) => flag.getName() === 'from')
      ?.getValue() ?? undefined;
  return { kind: 'copy', from, sources: words.slice(0, -1), target: words.at(-1) ?? '' };
}

const valuesOf = (instruction: PropertyInstruction): Values =>
  Object.fromEntries(
    instruction.getProperties().map((property) => [property.getName(), property.getValue() ?? '']),
  );

/** Only the JSON form: the other one runs a shell between Docker and the program. */
function argvOf(instruction: Instruction): string[] {
  const json = /\[.*\]\s*$/s.exec(instruction.getArgumentsContent() ?? '')?.[0];
  if (json === undefined) throw unknown(instruction);
  return JSON.parse(json) as string[];
}

function unknown(instruction: Instruction): Error {
  const line = instruction.getRange().start.line + 1;
  return new Error(`line ${line}: not known how to assemble: ${instruction.toString()}`);
}
