/** What the chart promises of PostgreSQL, on a real one: tables made by the Job's command, coordinators side by side. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Postgres, postgresBinaries } from '../postgres.ts';
import { root, run } from '../tools.ts';

const isHere = postgresBinaries() !== undefined;

describe.skipIf(!isHere)(
  `PostgreSQL (${isHere ? 'is here' : 'not installed: Debian has it as postgresql'})`,
  () => {
    let postgres: Postgres;
    beforeAll(async () => {
      postgres = await Postgres.start();
    });
    afterAll(() => postgres?.stop());

    const migrate = (url: string | undefined) =>
      run(
        process.execPath,
        ['--import', 'tsx', join(root, 'services', 'coordinator', 'src', 'migrate-main.ts')],
        {
          env: { ...process.env, EMLOC_DATABASE_URL: url, EMLOC_LOG_FORMAT: 'json' },
        },
      );
    const binary = (name: string, ...args: readonly string[]) =>
      run(join(postgresBinaries() ?? '', name), args);
    const tables = () =>
      postgres.query("SELECT count(*) FROM pg_tables WHERE schemaname IN ('emloc', 'dbos')");

    test('migrate makes the tables, and does nothing where they are', () => {
      expect(tables()).toBe('0');
      expect(migrate(postgres.url)).toMatchObject({ code: 0 });
      const made = Number(tables());
      expect(made).toBeGreaterThan(2);
      expect(migrate(postgres.url)).toMatchObject({ code: 0 });
      expect(Number(tables())).toBe(made);
    });

    test('migrate fails without a database, and with one that does not answer, and says so', () => {
      const none = migrate(undefined);
      expect(none.code).toBe(1);
      expect(none.stderr).toMatch(/EMLOC_DATABASE_URL/);
      const away = migrate('postgresql://emloc@127.0.0.1:1/postgres');
      expect(away.code).toBe(1);
      expect(away.stderr).toMatch(/the database does not answer/);
    });

    test('a dump is restored as the guide to operations has it, over what is there and elsewhere', () => {
      const dump = join(mkdtempSync(join(tmpdir(), 'emloc-dump-')), 'emloc.dump');
      onTestFinished(() => rmSync(dirname(dump), { recursive: true }));
      const restore = (url: string) => ['--clean', '--if-exists', '--dbname', url, dump];
      const elsewhere = postgres.url.replace(/[^/]+$/, 'elsewhere');
      postgres.query('CREATE TABLE emloc.mark AS SELECT 7 AS number');
      expect(binary('pg_dump', '--format', 'custom', '--file', dump, postgres.url)).toMatchObject({
        code: 0,
      });
      postgres.query('DELETE FROM emloc.mark');
      expect(binary('pg_restore', ...restore(postgres.url))).toMatchObject({ code: 0, stderr: '' });
      expect(postgres.query('SELECT number FROM emloc.mark')).toBe('7');
      postgres.query('CREATE DATABASE elsewhere');
      expect(binary('pg_restore', ...restore(elsewhere))).toMatchObject({ code: 0, stderr: '' });
      expect(migrate(elsewhere)).toMatchObject({ code: 0 });
    });

    test('jobs outlive their coordinator there, and two coordinators share it', () => {
      const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
      const args = [vitest, 'run', '--root', 'tests/contract', 'src/postgres.test.ts', '--reporter=json'];
      const { stdout, stderr } = run(process.execPath, args, {
        env: { ...process.env, EMLOC_TEST_DATABASE_URL: postgres.url },
      });
      const report = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
        numPassedTests: number;
        numTotalTests: number;
        testResults: { assertionResults: { failureMessages: string[] }[] }[];
      };
      const failures = report.testResults.flatMap(({ assertionResults }) =>
        assertionResults.flatMap(({ failureMessages }) => failureMessages),
      );
      expect(failures, stderr).toEqual([]);
      expect(report, stderr).toMatchObject({ success: true, numPendingTests: 0 });
      expect(report.numPassedTests).toBe(report.numTotalTests);
    });
  },
);
