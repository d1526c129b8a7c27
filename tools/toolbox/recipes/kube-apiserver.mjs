import { kubernetesProgram } from '../kubernetes.mjs';

export default kubernetesProgram('kube-apiserver');
