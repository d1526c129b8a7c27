import { kubernetesProgram } from '../kubernetes.mjs';

export default kubernetesProgram('kubectl');
