/** What a model is called in what is made of it: its name on the hub where it comes from there, else its directory. */
import { repositoryOfSnapshot } from '@emloc/downloads';

export const modelName = (dir: string): string => repositoryOfSnapshot(dir) ?? dir;
