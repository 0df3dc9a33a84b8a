// no-barrel: a module that only passes on what others export hides where a thing lives and makes
// import cycles. Whoever wants a name imports it from the module that defines it.

export const noBarrel = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      star: '`export *` hides where a name comes from: import it from its own module.',
      barrel: 'This module only passes on what other modules export.',
    },
  },
  create(context) {
    return {
      ExportAllDeclaration: (node) => {
        context.report({ node, messageId: 'star' });
      },
      Program: (node) => {
        const passesOn = (statement) =>
          statement.type === 'ExportAllDeclaration' ||
          (statement.type === 'ExportNamedDeclaration' && statement.declaration === null);
        const statements = node.body.filter(({ type }) => type !== 'ImportDeclaration');
        if (statements.length > 0 && statements.every(passesOn)) {
          context.report({ node: statements[0], messageId: 'barrel' });
        }
      },
    };
  },
};
