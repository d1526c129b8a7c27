/**
 * Every reason of an error that the code can throw, with its status codes, read off the syntax tree: what stands where an
 * `EmlocError` takes its reason, straight or through helpers that have a parameter named `reason`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const pattern = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;

/** `{ reason → set of codes }` of the TypeScript files below the folders, tests and test tools left out. */
export function reasonsIn(folders) {
  const files = folders.flatMap((folder) => [...sourcesBelow(folder)]).map(parse);
  const helpers = helpersIn(files);
  const found = new Map();
  for (const file of files) {
    visit(file, (node) => {
      const passed = reasonArgument(node, file, helpers);
      if (passed === undefined) return;
      for (const reason of literalsIn(passed.reason).filter((text) => pattern.test(text))) {
        const codes = found.get(reason) ?? new Set();
        for (const code of codesFor(passed, reason)) codes.add(code);
        found.set(reason, codes);
      }
    });
  }
  return found;
}

function* sourcesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !['node_modules', 'testing', 'bench'].includes(entry.name))
      yield* sourcesBelow(path);
    else if (entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts')) yield path;
  }
}

const parse = (path) => ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);

function visit(node, see) {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

/** Functions and constructors with a parameter `reason`: by file and name, and by name alone where one file exports it. */
function helpersIn(files) {
  const helpers = new Map();
  for (const file of files) {
    visit(file, (node) => {
      if (!ts.isFunctionLike(node) || node.parameters === undefined || node.body === undefined) return;
      const names = node.parameters.map(({ name }) => name.getText());
      const reason = names.indexOf('reason');
      const name = nameOf(node);
      if (reason < 0 || name === undefined || name === 'EmlocError') return;
      const helper = { reason, code: names.indexOf('code'), body: node.body, file };
      helpers.set(`${file.fileName} ${name}`, helper);
      if (isExported(node)) helpers.set(name, helper);
    });
  }
  return helpers;
}

function nameOf(node) {
  if (ts.isConstructorDeclaration(node)) return node.parent.name?.getText();
  return (node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined))?.getText();
}

function isExported(node) {
  let at = node;
  while (at !== undefined && !ts.isSourceFile(at)) {
    if (
      ts.canHaveModifiers(at) &&
      ts.getModifiers(at)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    )
      return true;
    at = at.parent;
  }
  return false;
}

/** What a call passes as a reason, and as a code or what decides it. */
function reasonArgument(node, file, helpers) {
  if (ts.isPropertyAssignment(node) && node.name.getText() === 'reason')
    return { reason: node.initializer, ofProperty: node.parent };
  if (!ts.isNewExpression(node) && !ts.isCallExpression(node)) return undefined;
  const callee = node.expression.getText().split('.').at(-1);
  const [first, second] = node.arguments ?? [];
  if (callee === 'EmlocError') return second === undefined ? undefined : { reason: second, code: first };
  const helper =
    callee === 'super' ? undefined : (helpers.get(`${file.fileName} ${callee}`) ?? helpers.get(callee));
  if (callee === 'super' && node.arguments.length >= 3) return { reason: second, code: first };
  const reason = helper === undefined ? undefined : node.arguments?.[helper.reason];
  if (reason === undefined) return undefined;
  return { reason, code: helper.code < 0 ? codeInside(helper, helpers) : node.arguments[helper.code] };
}

/** A helper's own choice of a code: the first argument of the EmlocError that it makes, or that of the helper it calls. */
function codeInside(helper, helpers) {
  let code;
  visit(helper.body, (node) => {
    if (code !== undefined || (!ts.isNewExpression(node) && !ts.isCallExpression(node))) return;
    const passed = reasonArgument(node, helper.file, helpers);
    if (passed?.reason?.getText() === 'reason') code = passed.code;
  });
  return code;
}

/** Where code and reason are chosen by the same condition, each reason has the code of its own side. */
function codesFor({ reason, code, ofProperty }, name) {
  if (ofProperty !== undefined) {
    const beside = ofProperty.properties.find((property) => property.name?.getText() === 'code');
    return beside === undefined ? [] : literalsIn(beside.initializer);
  }
  if (code === undefined) return [];
  if (ts.isConditionalExpression(reason) && ts.isConditionalExpression(code)) {
    const side = literalsIn(reason.whenTrue).includes(name) ? 'whenTrue' : 'whenFalse';
    return literalsIn(code[side]);
  }
  const theirs = ts.isConditionalExpression(code) && code.condition.getText().startsWith('reason ===');
  if (theirs) return literalsIn(literalsIn(code.condition).includes(name) ? code.whenTrue : code.whenFalse);
  return literalsIn(code);
}

/** The texts that an expression can be: those of both sides of a condition, but not of the condition. */
function literalsIn(node) {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isParenthesizedExpression(node)) return literalsIn(node.expression);
  if (ts.isConditionalExpression(node)) return [...literalsIn(node.whenTrue), ...literalsIn(node.whenFalse)];
  if (ts.isBinaryExpression(node)) return [...literalsIn(node.left), ...literalsIn(node.right)];
  return [];
}
