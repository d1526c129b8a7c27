/** The CustomResourceDefinitions of what the chart can make use of, out of the modules of those who wrote them. */
import { cpSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';

const modules = {
  'github.com/prometheus-operator/prometheus-operator@v0.85.0': [
    'example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml',
    'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml',
  ],
  'github.com/kedacore/keda/v2@v2.20.2': ['config/crd/bases/keda.sh_scaledobjects.yaml'],
  'github.com/cert-manager/cert-manager@v1.21.2': [
    'deploy/crds/cert-manager.io_certificates.yaml',
    'deploy/crds/cert-manager.io_issuers.yaml',
  ],
  'sigs.k8s.io/gateway-api@v1.6.3': ['config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml'],
};

export default {
  version: '1',
  file: 'crds',
  needs: ['go'],
  make: async ({ directory, run }) => {
    mkdirSync(join(directory, 'crds'));
    for (const [module, files] of Object.entries(modules)) {
      const { Dir: from } = JSON.parse(await run('go', ['mod', 'download', '-json', module]));
      for (const file of files) cpSync(join(from, file), join(directory, 'crds', basename(file)));
    }
  },
};
