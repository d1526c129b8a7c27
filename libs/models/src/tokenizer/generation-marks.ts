/**
 * Which parts of a rendered conversation the assistant generates, where a template says so with `{% generation %}` …
 * `{% endgeneration %}`. The Jinja library reads over these tags; here each becomes an expression that writes a mark,
 * and what is rendered with marks must be what is rendered without, marks apart.
 */
import { EmlocError } from '@emloc/errors';

/** A conversation as text, and which parts of it the template says the assistant generates: [begin, end) in it. */
export interface MarkedConversation {
  readonly text: string;
  readonly spans: readonly (readonly [begin: number, end: number])[];
}

/** Characters for private use, which stand in no text that means anything. */
const [beginMark, endMark] = ['\u{10FFF0}', '\u{10FFF1}'];

/** The template with marks; undefined where it has no such tags. Line breaks after a tag go, as they do after others. */
export function markGenerations(template: string): string | undefined {
  let found = false;
  const marked = template.replace(
    /(^[ \t]*)?\{%(-?)\s*(end)?generation\s*(-?)%\}\n?/gm,
    (_, _indent: string | undefined, left: string, end: string | undefined, right: string) => {
      found = true;
      return `{{${left} '${end === undefined ? beginMark : endMark}' ${right}}}`;
    },
  );
  return found ? marked : undefined;
}

/** Errors: marks that do not pair, or that changed the text around them. */
export function spansOf(marked: string, text: string): MarkedConversation {
  const spans: [number, number][] = [];
  let plain = '';
  let begin: number | undefined;
  for (const part of marked.split(/([\u{10FFF0}\u{10FFF1}])/u)) {
    if (part === beginMark && begin === undefined) begin = plain.length;
    else if (part === endMark && begin !== undefined) {
      spans.push([begin, plain.length]);
      begin = undefined;
    } else if (part === beginMark || part === endMark) throw unpaired();
    else plain += part;
  }
  if (begin !== undefined || plain !== text) throw unpaired();
  return { text, spans };
}

const unpaired = (): EmlocError =>
  new EmlocError(
    'INVALID_ARGUMENT',
    'BAD_GENERATION_MARKS',
    'the chat template has {% generation %} tags that cannot be followed',
    { field: 'chat_template', mend: 'put each pair around one turn, or take them out' },
  );
