import { goProgram } from '../go-program.mjs';

export default goProgram({ module: 'go.etcd.io/etcd/server/v3', version: '3.6.16', file: 'etcd' });
