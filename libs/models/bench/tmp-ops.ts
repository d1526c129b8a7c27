import * as E from '@emloc/engine';
import { startEngine, tidy } from '@emloc/engine';
await startEngine();
const reps = 40;
const run = (label: string, f: () => any) => {
  for (let i = 0; i < 5; i++)
    tidy(() => {
      f();
    });
  let bc = 1e9,
    bw = 1e9;
  for (let k = 0; k < 7; k++) {
    const c0 = process.cpuUsage(),
      t0 = performance.now();
    for (let i = 0; i < reps; i++)
      tidy(() => {
        f();
      });
    bw = Math.min(bw, (performance.now() - t0) / reps);
    const c = process.cpuUsage(c0);
    bc = Math.min(bc, (c.user + c.system) / 1e3 / reps);
  }
  console.log(label.padEnd(44), 'cpu ms', bc.toFixed(3), 'wall', bw.toFixed(3));
};
const N = 220,
  D = 576,
  F = 1536,
  H = 9,
  K = 3,
  W = 64,
  T = 110;
const x = E.ones([N, D]),
  g = E.ones([N, F]),
  u = E.ones([N, F]);
run('mul NF', () => E.mul(g, u));
run('mul ND', () => E.mul(x, x));
run('add ND', () => E.add(x, x));
run('sigmoid NF', () => E.sigmoid(g));
run('cast NF bf16', () => E.cast(g, 'bf16'));
const gb = E.cast(g, 'bf16');
run('cast NF bf16->f32', () => E.cast(gb, 'f32'));
run('SigmoidGrad NF', () => E.rawOp('SigmoidGrad', [g, u]));
const r = E.ones([N, 1]),
  wv = E.ones([D]);
run('mul ND*N1', () => E.mul(x, r));
run('mul ND*D', () => E.mul(x, wv));
run('square ND', () => E.square(x));
run('mean ND', () => E.mean(x, -1, true));
run('sum ND', () => E.sum(x, -1, true));
const xo = E.ones([D, 1]);
run('matmul ND*D1 (as sum)', () => E.matmul(x, xo));
run('mean of square via bmm', () => E.matmul(E.reshape(x, [N, 1, D]), E.reshape(x, [N, D, 1])));
run('BiasAdd-like rsqrt', () => E.rsqrt(r));
const q = E.ones([N, H, W]);
const c1 = E.ones([N, 1, W]);
const cf = E.ones([N, H, W]);
run('mul NHW*N1W', () => E.mul(q, c1));
run('mul NHW*NHW', () => E.mul(q, cf));
run('swap slice+concat', () =>
  E.concat([E.slice(q, [0, 0, 32], [N, H, 32]), E.slice(q, [0, 0, 0], [N, H, 32])], 2),
);
const q4 = E.reshape(q, [N * H, 2, 32]);
run('swap reverse', () => E.reverse(q4, [1]));
run('swap roll', () => E.rawOp('Roll', [q, E.tensor([32], [1], 'i32'), E.tensor([2], [1], 'i32')]));
const P = E.eye(64);
const q2 = E.reshape(q, [N * H, 64]);
run('swap matmul', () => E.matmul(q2, P));
run('swap split+concat', () => {
  const [a, b] = E.split(q, 2, 2);
  return E.concat([b!, a!], 2);
});

const idx = E.tensor(
  Int32Array.from({ length: N * H * 2 }, (_, i) => i ^ 1),
  [N * H * 2],
  'i32',
);
run('swap gather', () => E.gather(E.reshape(q, [N * H * 2, 32]), idx));
run('transpose TH->HT', () => E.transpose(E.reshape(q, [2, T, H, W]), [0, 2, 1, 3]));
const qh = E.ones([6, 3 * T, W]),
  kh = E.ones([6, T, W]);
run('qk', () => E.matmul(qh, kh, { transposeB: true }));
const s = E.matmul(qh, kh, { transposeB: true });
run('pv', () => E.matmul(s, kh));
run('pT do', () => E.matmul(s, qh, { transposeA: true }));
const s3 = E.reshape(s, [18, T, T]),
  m = E.zeros([T, T]);
run('mask add', () => E.add(s3, m));
run('softmax', () => E.softmax(s3));
run('mul scores', () => E.mul(s3, s3));
const st = E.ones([18, T, 1]);
run('sub scores bcast', () => E.sub(s3, st));
run('qk 2d x6', () => {
  for (let i = 0; i < 6; i++)
    E.matmul(
      E.reshape(E.slice(qh, [i, 0, 0], [1, -1, -1]), [330, 64]),
      E.reshape(E.slice(kh, [i, 0, 0], [1, -1, -1]), [110, 64]),
      { transposeB: true },
    );
});
const wb = E.cast(E.ones([F, D]), 'bf16');
run('cast w 1536x576', () => E.cast(wb, 'f32'));
