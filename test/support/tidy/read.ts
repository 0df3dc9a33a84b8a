// What the tidy test wants to know of a script or a document.

import ts from 'typescript';

interface FunctionSize {
  readonly name: string;
  readonly lineCount: number;
}

/** Groups of tests are lists, not functions in any other sense. */
const GROUPS = /^(?:test\.)?(?:describe|suite)\b/;

/** The functions in a script with their sizes in lines. */
export function functionsOf(path: string, text: string): FunctionSize[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const sizes: FunctionSize[] = [];
  const lineAt = (position: number): number => file.getLineAndCharacterOfPosition(position).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body && !isGroup(node)) {
      const lineCount = lineAt(node.end) - lineAt(node.getStart(file)) + 1;
      sizes.push({ name: nameOf(node), lineCount });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return sizes;
}

function isGroup(node: ts.Node): boolean {
  return ts.isCallExpression(node.parent) && GROUPS.test(node.parent.expression.getText());
}

function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name) return node.name.getText();
  if (ts.isConstructorDeclaration(node)) return 'constructor';
  const { parent } = node;
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) {
    return parent.name.getText();
  }
  const [first] = ts.isCallExpression(parent) ? parent.arguments : [];
  return first && ts.isStringLiteral(first) ? first.text : '(anonymous)';
}

interface Fence {
  readonly line: number;
  readonly language: string;
}

/** The code blocks of a Markdown text. */
export function codeFencesOf(markdown: string): Fence[] {
  return splitMarkdown(markdown).fences;
}

interface Heading {
  readonly level: number;
  readonly title: string;
}

/** The headings of a Markdown text, those in code blocks apart. */
export function headingsOf(markdown: string): Heading[] {
  return splitMarkdown(markdown).prose.flatMap((line) => {
    const [, marks, title] = /^(#{1,6}) +(.+)$/.exec(line) ?? [];
    return marks === undefined || title === undefined ? [] : [{ level: marks.length, title }];
  });
}

/** The anchors that a Markdown text's headings get on the web: GitHub's rule. */
export function headingSlugsOf(markdown: string): string[] {
  return headingsOf(markdown).map(({ title }) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** The targets of the links and pictures in a Markdown text. */
export function linksOf(markdown: string): string[] {
  const prose = splitMarkdown(markdown)
    .prose.map((line) => line.replace(/`[^`]*`/g, ''))
    .join('\n');
  const inline = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g)];
  const references = [...prose.matchAll(/^\[[^\]]+\]:\s*<?(\S+?)>?\s*$/gm)];
  return [...inline, ...references].map(([, target]) => target ?? '');
}

/** The lines outside of code blocks, and where the code blocks begin. */
function splitMarkdown(markdown: string): { prose: string[]; fences: Fence[] } {
  const prose: string[] = [];
  const fences: Fence[] = [];
  let open: string | undefined;
  for (const [index, line] of markdown.split('\n').entries()) {
    const [, marks, info] = /^ *(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (open === undefined && marks !== undefined && info !== undefined) {
      open = marks;
      fences.push({ line: index + 1, language: info.trim() });
    } else if (open === undefined) {
      prose.push(line);
    } else if (marks?.startsWith(open) && info?.trim() === '') {
      open = undefined;
    }
  }
  return { prose, fences };
}
