export { default } from '../../vitest.spanning.ts';
