/**
 * `node health.mjs [NAME]`: asks the service that runs here by grpc.health.v1 and ends with 0 where it is SERVING.
 * NAME is '' (ready, the default), `liveness` (alive), or a service's full name; where it listens, EMLOC_READY_FILE says,
 * which the service wrote when it was up. Plain JavaScript, so that a check every few seconds costs little; it does what
 * grpc_health_probe does, without one more binary in an image.
 */
import { readFileSync } from 'node:fs';
import { ChannelCredentials, Client, Metadata } from '@grpc/grpc-js';
import { service as health } from 'grpc-health-check';

const timeoutMs = 4000;

function fail(why) {
  console.error(why);
  process.exit(1);
}

/** 0.0.0.0 is every interface; the probe takes the loopback one. */
function address(path = process.env.EMLOC_READY_FILE) {
  if (!path) return fail('EMLOC_READY_FILE is not set');
  try {
    const { address } = JSON.parse(readFileSync(path, 'utf8'));
    return address.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:');
  } catch {
    return fail(`not started yet: no ${path}`);
  }
}

function credentials({ EMLOC_TLS_CA: ca, EMLOC_TLS_CERT: cert, EMLOC_TLS_KEY: key } = process.env) {
  if (!ca && !cert) return ChannelCredentials.createInsecure();
  const read = (path) => (path ? readFileSync(path) : null);
  // The certificate is for the name by which others call it, not for loopback.
  const options = { checkServerIdentity: () => undefined, rejectUnauthorized: Boolean(ca) };
  return ChannelCredentials.createSsl(read(ca), read(key), read(cert), options);
}

const client = new Client(address(), credentials(), { 'grpc.enable_http_proxy': 0 });
const { path, requestSerialize, responseDeserialize } = health.Check;
const request = { service: process.argv[2] ?? '' };
const options = { deadline: Date.now() + timeoutMs };
const done = (error, answer) => {
  if (error !== null) fail(error.message);
  if (answer.status !== 'SERVING') fail(answer.status);
  process.exit(0);
};
client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, new Metadata(), options, done);
