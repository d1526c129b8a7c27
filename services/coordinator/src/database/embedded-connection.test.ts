import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EmbeddedConnection, Gate } from './embedded-connection.ts';

let database: PGlite;
let pool: pg.Pool;

beforeAll(async () => {
  database = await PGlite.create();
  const gate = new Gate();
  const stream = (): never => new EmbeddedConnection(database, gate) as never;
  pool = new pg.Pool({ stream, user: 'postgres', database: 'postgres', max: 4 });
  await pool.query('CREATE TABLE numbers (n integer)');
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

test('queries of several connections at once do not get mixed up', async () => {
  const asked = Array.from({ length: 200 }, (_, i) => i);
  const answers = await Promise.all(
    asked.map((i) => pool.query('SELECT $1::int AS n, $2::text AS t', [i, `t${i}`])),
  );
  expect(answers.map(({ rows }) => rows[0])).toEqual(asked.map((i) => ({ n: i, t: `t${i}` })));
});

test('a transaction is seen by nobody until it ends, and an error in one does not reach another', async () => {
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query('INSERT INTO numbers VALUES (1)');
  const counted = pool.query('SELECT count(*)::int AS n FROM numbers');
  await expect(client.query('SELECT nothing')).rejects.toThrow('nothing');
  await client.query('ROLLBACK');
  client.release();
  expect((await counted).rows).toEqual([{ n: 0 }]);
});

test('a connection that ends inside a transaction leaves nothing of it', async () => {
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query('INSERT INTO numbers VALUES (2)');
  client.release(new Error('gone'));
  expect((await pool.query('SELECT count(*)::int AS n FROM numbers')).rows).toEqual([{ n: 0 }]);
});
