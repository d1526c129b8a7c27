import { expect, test } from 'vitest';
import { parseFilter, type FilterFields } from './filter.ts';

interface Item {
  readonly id: string;
  readonly state: string;
  readonly at: Date;
  readonly bytes: number;
}

const fields: FilterFields<Item> = {
  id: { type: 'text', of: ({ id }) => id },
  state: { type: 'choice', values: ['RUNNING', 'FAILED'], prefix: 'JOB_STATE_', of: ({ state }) => state },
  create_time: { type: 'time', of: ({ at }) => at },
  byte_size: { type: 'number', of: ({ bytes }) => bytes },
};
const items: readonly Item[] = [
  { id: 'a-1', state: 'RUNNING', at: new Date('2026-01-01T00:00:00Z'), bytes: 10 },
  { id: 'a-2', state: 'FAILED', at: new Date('2026-01-02T00:00:00Z'), bytes: 20 },
  { id: 'b+1', state: 'FAILED', at: new Date('2026-01-03T00:00:00Z'), bytes: 30 },
];
const chosen = (filter: string): string[] => items.filter(parseFilter(filter, fields)).map(({ id }) => id);

test.each([
  ['', ['a-1', 'a-2', 'b+1']],
  ['  ', ['a-1', 'a-2', 'b+1']],
  ['state = RUNNING', ['a-1']],
  ['state=JOB_STATE_RUNNING', ['a-1']],
  ['state != "RUNNING"', ['a-2', 'b+1']],
  ['id = a-*', ['a-1', 'a-2']],
  ["id != 'a-*'", ['b+1']],
  ['id = *1', ['a-1', 'b+1']],
  ['id = *-*', ['a-1', 'a-2']],
  ['id = a*-1*', ['a-1']],
  ['id = a-1*1', []],
  ['id = *', ['a-1', 'a-2', 'b+1']],
  ['id = "b+1"', ['b+1']],
  ['id = bb1', []],
  ['create_time >= 2026-01-02T00:00:00Z', ['a-2', 'b+1']],
  ['create_time < "2026-01-02T01:00:00+01:00"', ['a-1']],
  ['byte_size > 10 AND byte_size <= 2e1', ['a-2']],
  // OR comes before AND, as in AIP-160.
  ['state = FAILED AND id = a-1 OR id = a-2', ['a-2']],
  ['id = a-1 OR id = a-2 AND state = FAILED', ['a-2']],
  ['id = a-1 OR (id = a-2 AND state = FAILED)', ['a-1', 'a-2']],
  ['NOT state = FAILED', ['a-1']],
  ['NOT (state = RUNNING OR id = b+1)', ['a-2']],
])('%s', (filter, ids) => {
  expect(chosen(filter)).toEqual(ids);
});

test.each([
  ['RUNNING', /at character 1: no comparison follows "RUNNING"/],
  ['state =', /no value follows "state ="/],
  ['state = DONE', /at character 9: "DONE" is none of RUNNING, FAILED/],
  ['state > RUNNING', /"state" takes = and != only/],
  ['color = red', /there is no field "color"/],
  ['constructor = x', /there is no field "constructor"/],
  ['create_time > yesterday', /is no time such as/],
  ['create_time > 2026', /is no time such as/],
  ['byte_size = many', /"many" is no number/],
  ['(state = FAILED', /"\)" is missing/],
  ['state = FAILED)', /"\)" is not expected/],
  ['state = FAILED id = a', /at character 16: "id" is not expected/],
  ['state = FAILED AND', /a field is missing/],
  ['id = "a', /at character 5: this is not understood/],
  ['id ! a', /not understood/],
  [`${'('.repeat(21)}id = a${')'.repeat(21)}`, /more than 20 parentheses/],
])('%s is refused with its place', (filter, message) => {
  expect(() => parseFilter(filter, fields)).toThrow(
    expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      reason: 'BAD_FILTER',
      field: 'filter',
      message: expect.stringMatching(message),
    }),
  );
});
