/** Whether NetworkPolicies let one component call another: both its way out and the other's way in have to be open. */
import { podTemplates, type Manifest } from './chart.ts';

type Labels = Readonly<Record<string, string>>;
interface Peer {
  readonly podSelector?: { readonly matchLabels?: Labels };
  readonly namespaceSelector?: object;
}
interface Rule {
  readonly ports?: readonly { readonly port: number }[];
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
}

const matches = (selector: Labels = {}, labels: Labels): boolean =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);

export function mayCall(manifests: readonly Manifest[], from: string, to: string): boolean {
  const templates = Object.values(podTemplates(manifests));
  const podOf = (component: string) =>
    templates.find(({ metadata }) => metadata.labels['app.kubernetes.io/component'] === component);
  const [caller, callee] = [podOf(from), podOf(to)];
  if (caller === undefined || callee === undefined) throw new Error(`no pod of ${from} or ${to}`);
  const port = callee.spec.containers[0].ports[0].containerPort as number;
  const opens = (rules: readonly Rule[], side: 'from' | 'to', other: Labels): boolean =>
    rules.some(
      (rule) =>
        (rule.ports === undefined || rule.ports.some((each) => each.port === port)) &&
        (rule[side] === undefined ||
          rule[side].some(
            (peer) => peer.namespaceSelector === undefined && matches(peer.podSelector?.matchLabels, other),
          )),
    );
  const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy').map(({ spec }) => spec);
  const allows = (labels: Labels, type: 'Ingress' | 'Egress', other: Labels): boolean => {
    const own = policies.filter(
      ({ podSelector, policyTypes }) =>
        policyTypes.includes(type) && matches(podSelector.matchLabels, labels),
    );
    if (own.length === 0) return true;
    return own.some(({ ingress = [], egress = [] }) =>
      type === 'Ingress' ? opens(ingress, 'from', other) : opens(egress, 'to', other),
    );
  };
  const [callerLabels, calleeLabels] = [caller.metadata.labels as Labels, callee.metadata.labels as Labels];
  return allows(callerLabels, 'Egress', calleeLabels) && allows(calleeLabels, 'Ingress', callerLabels);
}
