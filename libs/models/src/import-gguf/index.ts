export {
  importGguf,
  type ImportedModel,
  type ImportGgufOptions,
  type ImportProgress,
} from './import-gguf.ts';
export { readGguf, type GgufFile, type GgufTensor } from './read-gguf.ts';
