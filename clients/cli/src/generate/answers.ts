/** Answers of one request, printed in the order of their prompts: the first that is not finished as it is made. */
import type { Output } from '../output/output.ts';
import type { GenerateResponse, Prompt } from '../wire/generation.ts';

export interface Answer {
  text: string;
  readonly ids: number[];
  readonly logProbabilities: number[];
  finish: string | undefined;
  usage: GenerateResponse['usage'];
}

export class Answers {
  readonly #output: Output;
  readonly #prompts: readonly Prompt[];
  readonly #all: readonly Answer[];
  #current = 0;
  /** Characters of the current answer that are printed. */
  #printed = 0;

  constructor(output: Output, prompts: readonly Prompt[]) {
    this.#output = output;
    this.#prompts = prompts;
    this.#all = prompts.map(() => ({
      text: '',
      ids: [],
      logProbabilities: [],
      finish: undefined,
      usage: null,
    }));
  }

  get all(): readonly Answer[] {
    return this.#all;
  }

  push({ prompt, text, ids, logProbabilities, finishReason, usage }: GenerateResponse): void {
    const answer = this.#all[prompt]!;
    answer.text += text;
    answer.ids.push(...ids);
    answer.logProbabilities.push(...logProbabilities);
    if (finishReason !== 'FINISH_REASON_UNSPECIFIED') {
      answer.finish = finishReason.replace('FINISH_REASON_', '').toLowerCase();
      answer.usage = usage;
    }
    this.#print();
  }

  /** Ends a line that was cut short. */
  end(): void {
    if (!this.#output.json && this.#printed > 0) this.#output.text('\n');
    this.#printed = 0;
  }

  #print(): void {
    for (; this.#current < this.#all.length; this.#current += 1) {
      const answer = this.#all[this.#current]!;
      if (!this.#output.json) {
        this.#output.text(answer.text.slice(this.#printed));
        this.#printed = answer.text.length;
      }
      if (answer.finish === undefined) return;
      if (this.#output.json) this.#output.resultLine(this.#object(this.#current), () => '');
      else this.#output.text('\n');
      this.#printed = 0;
    }
  }

  #object(index: number): Record<string, unknown> {
    const { text, ids, logProbabilities, finish, usage } = this.#all[index]!;
    const prompt = this.#prompts[index]!;
    return {
      ...('text' in prompt ? { prompt: prompt.text } : { messages: prompt.conversation.messages }),
      ...(prompt.adapter !== undefined && { adapter: prompt.adapter }),
      text,
      ids,
      ...(logProbabilities.length > 0 && { log_probabilities: logProbabilities }),
      finish_reason: finish,
      prompt_tokens: usage?.promptTokens,
      new_tokens: usage?.newTokens,
    };
  }
}
