import { expect, test } from 'vitest';
import { StopStrings } from './stop-strings.ts';
import { TextStream } from './text-stream.ts';

/** Bytes as tokens. */
const bytes = (ids: readonly number[]): string => Buffer.from(ids).toString('utf8');

/** SentencePiece's way: ▁ is a space, and the first of a text is dropped; <0xE2> is a byte. */
const pieces = ['▁Hello', ',', '▁', '▁world', '!', '▁a', '<0xF0>', '<0x9F>', '<0x98>', '<0x80>', 'b'];
const sentencePiece = (ids: readonly number[]): string => {
  const parts = ids.map((id) => pieces[id]!);
  const raw = parts.map((piece) =>
    piece.startsWith('<0x') ? Buffer.from([Number(piece.slice(1, -1))]) : Buffer.from(piece),
  );
  return Buffer.concat(raw).toString('utf8').replaceAll('▁', ' ').replace(/^ /, '');
};

const streamed = (stream: TextStream, ids: readonly number[]): string[] => [
  ...ids.map((id) => stream.push(id)),
  stream.end(),
];

test('characters of several bytes come whole', () => {
  const text = 'naïve — 北京 👩‍🚀!';
  const parts = streamed(new TextStream(bytes), [...Buffer.from(text)]);
  expect(parts.join('')).toBe(text);
  expect(parts.join('|')).not.toContain('\ufffd');
  expect(parts.filter((part) => part !== '').every((part) => [...part].length === 1)).toBe(true);
});

test('bytes that never become a character are shown at the end', () => {
  expect(streamed(new TextStream(bytes), [0x61, 0xf0, 0x9f])).toEqual(['a', '', '', '\ufffd']);
  expect(streamed(new TextStream(bytes), [0xff, 0x61])).toEqual(['', '\ufffda', '']);
});

test('spaces of SentencePiece stay, the first of a text only where something stands before it', () => {
  const ids = [0, 1, 3, 2, 5, 4, 6, 7, 8, 9, 10];
  expect(streamed(new TextStream(sentencePiece), ids).join('')).toBe(sentencePiece(ids));
  expect(streamed(new TextStream(sentencePiece, [0, 1]), [3, 4])).toEqual([' world', '!', '']);
  expect(streamed(new TextStream(sentencePiece), [3, 4])).toEqual(['world', '!', '']);
});

test('a prompt of many tokens is not decoded anew for each token', () => {
  let longest = 0;
  const decode = (ids: readonly number[]): string => {
    longest = Math.max(longest, ids.length);
    return bytes(ids);
  };
  streamed(new TextStream(decode, new Array<number>(5000).fill(97)), new Array<number>(500).fill(98));
  expect(longest).toBeLessThan(12);
});

const cut = (stops: readonly string[], parts: readonly string[]) => {
  const stop = new StopStrings(stops);
  const given = parts.map((part) => stop.push(part));
  return { given, rest: stop.end(), stopped: stop.stopped };
};

test('a stop string ends the text before it, also in pieces', () => {
  expect(cut(['\n\n'], ['a', 'b\n', '\nc', 'd'])).toEqual({
    given: ['a', 'b', '', ''],
    rest: '',
    stopped: true,
  });
  expect(cut(['END', 'ND!'], ['xEN', 'D!'])).toEqual({ given: ['x', ''], rest: '', stopped: true });
});

test('what only began like one is given as soon as that is known, or at the end', () => {
  expect(cut(['aab'], ['xa', 'a', 'a', 'c', 'a'])).toEqual({
    given: ['x', '', 'a', 'aac', ''],
    rest: 'a',
    stopped: false,
  });
  expect(cut(['', 'zz'], ['abc'])).toEqual({ given: ['abc'], rest: '', stopped: false });
});

test('wherever a text is cut, the same comes out', () => {
  const text = 'one two stop three';
  for (let i = 0; i <= text.length; i++)
    for (let j = i; j <= text.length; j++) {
      const { given, rest, stopped } = cut(
        ['stop', 'stomp'],
        [text.slice(0, i), text.slice(i, j), text.slice(j)],
      );
      expect(given.join('') + rest).toBe('one two ');
      expect(stopped).toBe(true);
    }
});
