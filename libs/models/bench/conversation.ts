/**
 * What each turn of a conversation costs in processor time, up to its first token and whole, with the keys and values of
 * earlier turns kept and without, one after the other in one process.
 *
 *   npx tsx libs/models/bench/conversation.ts MODEL_DIR [--turns 6] [--question-tokens 40] [--answer-tokens 60]
 *
 * Questions are parts of a fixed text's ids. The first conversation makes kernels and is not counted. One JSON object.
 */
import { startEngine } from '@emloc/engine';
import { parseArgs } from 'node:util';
import { generate, KeptPrefixes, openModel, openWeights, plainVariants } from '../src/index.ts';

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    turns: { type: 'string', default: '6' },
    'question-tokens': { type: 'string', default: '40' },
    'answer-tokens': { type: 'string', default: '60' },
  },
});
const n = (name: keyof typeof args): number => Number(args[name]);

await startEngine();
const source = openWeights(openModel(positionals[0]!), { mode: 'resident', keepConverted: true });

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

interface Turn {
  readonly firstMs: number;
  readonly totalMs: number;
}

async function conversation(prefixes?: KeptPrefixes): Promise<{ turns: Turn[]; ids: number[] }> {
  const ids: number[] = [];
  const turns: Turn[] = [];
  for (let turn = 0; turn < n('turns'); turn++) {
    for (let t = 0; t < n('question-tokens'); t++) ids.push(100 + ((7919 * (turn + 1) * (t + 1)) % 20_000));
    const started = cpuMs();
    let firstMs = 0;
    const [made] = await generate(source, plainVariants, [{ ids }], {
      maxNewTokens: n('answer-tokens'),
      eosTokenIds: [],
      ...(prefixes && { kept: { prefixes, owner: '' } }),
      onToken: () => {
        firstMs ||= cpuMs() - started;
        return undefined;
      },
    });
    ids.push(...made!.ids);
    turns.push({ firstMs: Math.round(firstMs), totalMs: Math.round(cpuMs() - started) });
  }
  return { turns, ids };
}

await conversation();
await conversation(new KeptPrefixes());
const anew = await conversation();
const kept = await conversation(new KeptPrefixes());
const tokensPerCpuSecond = ({ turns }: { turns: Turn[] }): number =>
  Number(
    ((1000 * n('turns') * n('answer-tokens')) / turns.reduce((ms, { totalMs }) => ms + totalMs, 0)).toFixed(
      2,
    ),
  );
console.log(
  JSON.stringify({
    sameTokens: anew.ids.join() === kept.ids.join(),
    tokensPerCpuSecond: { anew: tokensPerCpuSecond(anew), kept: tokensPerCpuSecond(kept) },
    anew: anew.turns,
    kept: kept.turns,
  }),
);
source.close();
