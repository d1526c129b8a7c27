/** The image of the mesh, assembled from its Dockerfile. */
import { join } from 'node:path';
import { assemble, type Image } from '../docker/assemble.ts';
import { root } from '../tools.ts';

export const dockerfile = join(root, 'deploy/docker/Dockerfile');

export const meshImage = (target?: 'cpu' | 'cuda'): Image => assemble({ context: root, dockerfile, target });
