// platform-globals: what makes a program depend on its platform has one home each. Elsewhere it is
// injected, which is what makes the core run in Node, and run the same way twice.

import { contains, toRelative } from './import-direction.mjs';

const GLOBAL_OBJECTS = ['globalThis', 'self', 'window'];

export const platformGlobals = {
  meta: {
    type: 'problem',
    schema: [
      { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } },
    ],
    messages: {
      nowhere: '`{{name}}` is used nowhere: what it gives is injected.',
      elsewhere: '`{{name}}` is used only in {{homes}}; here it is injected.',
    },
  },
  create(context) {
    const [homesOf] = context.options;
    const file = toRelative(context.cwd, context.filename);

    function check(node, name) {
      const homes = Object.hasOwn(homesOf, name) ? homesOf[name] : undefined;
      if (homes === undefined || homes.some((home) => contains(home, file))) return;
      const messageId = homes.length === 0 ? 'nowhere' : 'elsewhere';
      context.report({ node, messageId, data: { name, homes: homes.join(', ') } });
    }

    /**
     * `identifier` is the global `path`: looks for the longest name it begins, such as Math.random.
     */
    function checkGlobal(identifier, path) {
      check(identifier, path);
      const parent = identifier.parent;
      const isUsed =
        (parent.type === 'CallExpression' || parent.type === 'NewExpression') &&
        parent.callee === identifier;
      // The present time by another name.
      if (isUsed && path === 'Date' && parent.arguments.length === 0) check(parent, 'Date.now');
      if (parent.type !== 'MemberExpression' || parent.object !== identifier) return;
      const property = propertyName(parent);
      if (property === undefined) return;
      checkGlobal(parent, GLOBAL_OBJECTS.includes(path) ? property : `${path}.${property}`);
    }

    return {
      'Program:exit': (node) => {
        const scope = context.sourceCode.getScope(node);
        const references = [
          ...scope.through,
          ...scope.variables.filter((v) => v.defs.length === 0).flatMap((v) => v.references),
        ];
        for (const { identifier, isTypeReference } of references) {
          if (isTypeReference !== true) checkGlobal(identifier, identifier.name);
        }
      },
      // const { random } = Math
      'VariableDeclarator[id.type="ObjectPattern"][init.type="Identifier"]': (node) => {
        for (const property of node.id.properties) {
          if (property.type !== 'Property' || property.computed) continue;
          const name = property.key.name ?? property.key.value;
          const path = GLOBAL_OBJECTS.includes(node.init.name) ? name : `${node.init.name}.${name}`;
          check(property, path);
        }
      },
    };
  },
};

function propertyName({ computed, property }) {
  if (!computed) return property.name;
  return property.type === 'Literal' ? String(property.value) : undefined;
}
