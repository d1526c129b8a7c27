/** The linear that a weight is of: `model.layers.0.mlp.up_proj` of `model.layers.0.mlp.up_proj.weight`. */
export const moduleOf = (weight: string): string => weight.replace(/\.weight$/, '');
