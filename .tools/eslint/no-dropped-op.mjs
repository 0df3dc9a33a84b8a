// no-dropped-op: an Op that is neither delegated to with `yield*`, returned, kept, nor handed to a
// runner does nothing at all, and TypeScript has no opinion on it. This rule has.
//
// An Op is recognised by its type, not by its name: any iterator that yields Waits (src/lib/op.ts).

import { findWaitType, opTypes } from './op-types.mjs';

export const noDroppedOp = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      dropped: 'This Op is created and dropped, so it never runs: write `yield*` before it.',
      list: 'These Ops are created and dropped, so they never run: loop over them with `yield*`.',
      void: '`void` drops this Op, so it never runs: write `yield*` before it.',
      await: '`await` does not run an Op: write `yield*`, or await runAsync(op).',
      yield: '`yield` of an Op hands it out as a Wait: write `yield*`.',
      condition: 'An Op is always truthy: write `yield*` before it to test its result.',
      callback: 'The caller of this function ignores its result, so the Op it returns never runs.',
    },
  },
  create(context) {
    const services = context.sourceCode.parserServices;
    const checker = services.program.getTypeChecker();
    const waitType = findWaitType(services.program, checker);
    // A program that does not contain op.ts contains no Op.
    if (waitType === undefined) return {};

    const checks = new DropChecks(context, checker, waitType);
    return { ...dropListeners(checks), ...callbackListeners(checks) };
  },
};

/** The questions the rule asks of a node; each reports what it finds. */
class DropChecks {
  #context;
  #checker;
  #types;

  constructor(context, checker, waitType) {
    this.#context = context;
    this.#checker = checker;
    this.#types = opTypes(checker, waitType);
  }

  #typeOf(node) {
    return this.#context.sourceCode.parserServices.getTypeAtLocation(node);
  }

  #tsNodeOf(node) {
    return this.#context.sourceCode.parserServices.esTreeNodeToTSNodeMap.get(node);
  }

  #report(node, messageId) {
    this.#context.report({ node, messageId });
  }

  /** Reports `node` and whatever its value may come from, unless something uses the Op. */
  checkDropped(node, messageId) {
    switch (node.type) {
      case 'SequenceExpression':
        // The other operands are looked at where the sequence itself is visited.
        this.checkDropped(node.expressions.at(-1), messageId);
        return;
      case 'ConditionalExpression':
        this.checkDropped(node.consequent, messageId);
        this.checkDropped(node.alternate, messageId);
        return;
      case 'LogicalExpression':
        this.checkDropped(node.right, messageId);
        if (node.operator === '??') this.checkDropped(node.left, messageId);
        return;
      case 'AssignmentExpression':
        // The Op is kept.
        return;
      case 'AwaitExpression':
        // Awaiting an Op is reported where the await is visited, awaiting a promise of one is not.
        if (
          !this.#types.mayBeOp(this.#typeOf(node.argument)) &&
          this.#types.mayBeOp(this.#typeOf(node))
        ) {
          this.#report(node, messageId);
        }
        return;
      default: {
        const type = this.#typeOf(node);
        if (this.#types.mayBeOp(type)) this.#report(node, messageId);
        else if (messageId === 'dropped' && this.#types.isOpList(type)) this.#report(node, 'list');
      }
    }
  }

  /** A condition on `Op | undefined` asks if there is one; on an Op alone it asks nothing. */
  checkCondition(node) {
    if (node !== null && this.#types.isOp(this.#typeOf(node))) this.#report(node, 'condition');
  }

  /** Reports a function that makes an Op where a function without a result is asked for. */
  checkCallback(node) {
    if (node === null || node.type === 'SpreadElement') return;
    const expected = this.#checker.getContextualType(this.#tsNodeOf(node));
    if (expected === undefined || !this.#types.returnsNothing(expected)) return;
    if (this.#types.returnsOp(this.#typeOf(node))) this.#report(node, 'callback');
  }

  /** The same for a method. `owners`: the types that say what it returns. */
  #checkMethod({ computed, key, value }, owners) {
    if (computed || key.type !== 'Identifier' || !this.#types.returnsOp(this.#typeOf(value)))
      return;
    const isDropped = owners.some((owner) => {
      const expected = owner && this.#types.propertyType(owner, key.name);
      return expected !== undefined && this.#types.returnsNothing(expected);
    });
    if (isDropped) this.#report(key, 'callback');
  }

  checkObjectMethod(node) {
    this.#checkMethod(node, [this.#checker.getContextualType(this.#tsNodeOf(node.parent))]);
  }

  checkClassMethod(node) {
    const clauses = this.#tsNodeOf(node.parent.parent).heritageClauses ?? [];
    const bases = clauses.flatMap((clause) => [...clause.types]);
    this.#checkMethod(
      node,
      bases.map((base) => this.#checker.getTypeAtLocation(base)),
    );
  }
}

/** Where the value of an expression is thrown away or only asked for its truth. */
function dropListeners(checks) {
  return {
    ExpressionStatement: (node) => {
      checks.checkDropped(node.expression, 'dropped');
    },
    SequenceExpression: (node) => {
      for (const operand of node.expressions.slice(0, -1)) checks.checkDropped(operand, 'dropped');
    },
    'UnaryExpression[operator="void"]': (node) => {
      checks.checkDropped(node.argument, 'void');
    },
    'UnaryExpression[operator="!"]': (node) => {
      checks.checkCondition(node.argument);
    },
    AwaitExpression: (node) => {
      checks.checkDropped(node.argument, 'await');
    },
    'YieldExpression[delegate=false]': (node) => {
      if (node.argument !== null) checks.checkDropped(node.argument, 'yield');
    },
    'IfStatement, WhileStatement, DoWhileStatement, ConditionalExpression': (node) => {
      checks.checkCondition(node.test);
    },
    ForStatement: (node) => {
      checks.checkCondition(node.test);
      for (const part of [node.init, node.update]) {
        if (part !== null && part.type !== 'VariableDeclaration')
          checks.checkDropped(part, 'dropped');
      }
    },
    LogicalExpression: (node) => {
      if (node.operator !== '??') checks.checkCondition(node.left);
    },
  };
}

/** Where a function is handed to someone who ignores its result. */
function callbackListeners(checks) {
  return {
    'CallExpression, NewExpression': (node) => {
      for (const argument of node.arguments) checks.checkCallback(argument);
    },
    'ObjectExpression > Property': (node) => {
      if (node.method) checks.checkObjectMethod(node);
      else if (node.kind === 'init') checks.checkCallback(node.value);
    },
    PropertyDefinition: (node) => {
      checks.checkCallback(node.value);
    },
    MethodDefinition: (node) => {
      checks.checkClassMethod(node);
    },
    AssignmentExpression: (node) => {
      checks.checkCallback(node.right);
    },
    VariableDeclarator: (node) => {
      checks.checkCallback(node.init);
    },
    ReturnStatement: (node) => {
      checks.checkCallback(node.argument);
    },
    'ArrowFunctionExpression[expression=true]': (node) => {
      checks.checkCallback(node.body);
    },
  };
}
