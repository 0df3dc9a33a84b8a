// import-direction: imports point downwards only. The table of layers is in eslint.config.js; a
// file belongs to the row with the longest matching path, and a file under a root without a row is
// an error, so that a new folder must be given its place before it can be used.

import { relative, sep } from 'node:path';
import { dirname, join } from 'node:path/posix';

export const importDirection = {
  meta: {
    type: 'problem',
    schema: [
      {
        type: 'object',
        additionalProperties: {
          type: 'object',
          properties: {
            imports: { type: 'array', items: { type: 'string' } },
            typesOnly: { type: 'array', items: { type: 'string' } },
            packages: { type: 'array', items: { type: 'string' } },
          },
          required: ['imports'],
          additionalProperties: false,
        },
      },
    ],
    messages: {
      homeless:
        "'{{file}}' is in no layer: give its folder a row in the table of eslint.config.js.",
      upwards: "'{{layer}}' may not import '{{target}}' (architecture: imports point downwards).",
      valueImport: "'{{layer}}' may import only types from '{{target}}': write `import type`.",
      package: "'{{layer}}' may not import the package '{{target}}'.",
    },
  },
  create(context) {
    const [table] = context.options;
    const file = toRelative(context.cwd, context.filename);
    const layer = findLayer(table, file);

    function check(node, source, isTypeOnly) {
      if (layer === undefined || typeof source !== 'string') return;
      const row = table[layer];
      const report = (messageId, target) => {
        context.report({ node, messageId, data: { layer, target } });
      };
      if (!source.startsWith('.')) {
        const name = packageName(source);
        if (!(row.packages ?? []).some((p) => p === name)) report('package', name);
        return;
      }
      const path = join(dirname(file), source);
      const target = findLayer(table, path);
      if (target === layer) return;
      const isIn = (places = []) =>
        places.some((place) => target === place || contains(place, path));
      if (isIn(row.imports)) return;
      if (!isIn(row.typesOnly)) report('upwards', target ?? path);
      else if (!isTypeOnly) report('valueImport', target ?? path);
    }

    return {
      Program: (node) => {
        if (layer === undefined) context.report({ node, messageId: 'homeless', data: { file } });
      },
      ImportDeclaration: (node) => {
        check(node, node.source.value, isTypeOnlyDeclaration(node, 'importKind'));
      },
      'ExportNamedDeclaration, ExportAllDeclaration': (node) => {
        if (node.source) check(node, node.source.value, isTypeOnlyDeclaration(node, 'exportKind'));
      },
      ImportExpression: (node) => {
        check(node, node.source.value, false);
      },
      TSImportType: (node) => {
        check(node, node.source.value, true);
      },
      // new URL('./x.ts', import.meta.url): how a worker's module is named.
      'NewExpression[callee.name="URL"][arguments.1.object.type="MetaProperty"]': (node) => {
        check(node, node.arguments[0].value, false);
      },
    };
  },
};

function isTypeOnlyDeclaration(node, kind) {
  if (node[kind] === 'type') return true;
  const specifiers = node.specifiers ?? [];
  return specifiers.length > 0 && specifiers.every((s) => s[kind] === 'type');
}

/** True if `path` is `place` or lies in it. */
export function contains(place, path) {
  return path === place || path.startsWith(`${place}/`);
}

/** The path of a file within the project, with slashes. */
export function toRelative(cwd, filename) {
  return relative(cwd, filename).replaceAll(sep, '/');
}

function findLayer(table, path) {
  return Object.keys(table)
    .filter((place) => contains(place, path))
    .sort((a, b) => b.length - a.length)[0];
}

function packageName(source) {
  if (source.startsWith('node:')) return 'node:';
  const parts = source.split('/');
  return source.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}
