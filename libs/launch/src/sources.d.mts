export declare const repositoryRoot: string;
export declare function isProgram(path: string): boolean;
export declare function sourceFiles(root?: string): string[];
export declare function sourceDigest(root?: string): string;
