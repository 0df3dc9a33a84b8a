// Which types are Ops: any iterator that yields Waits (src/lib/op.ts), whatever it is called.

import { resolve } from 'node:path';
import ts from 'typescript';

const OP_MODULE = resolve(import.meta.dirname, '../../src/lib/op.ts');

/** The interface Wait of op.ts, as this program sees it. */
export function findWaitType(program, checker) {
  const file = program.getSourceFile(OP_MODULE);
  const module = file && checker.getSymbolAtLocation(file);
  const wait = module?.exports?.get('Wait');
  return wait && checker.getDeclaredTypeOfSymbol(wait);
}

/** Questions about types that concern Ops. */
export function opTypes(checker, waitType) {
  const isAnyOrUnknown = (type) => (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0;
  const isNothing = (type) => (type.flags & (ts.TypeFlags.Void | ts.TypeFlags.Undefined)) !== 0;
  const partsOf = (type) => {
    const constraint = checker.getBaseConstraintOfType(type) ?? type;
    return constraint.isUnion() ? constraint.types : [constraint];
  };
  const propertyType = (type, name) => {
    const property = type.getProperty(name);
    return property && checker.getTypeOfSymbol(property);
  };

  /** What an iterator yields: the value of those results whose `done` is not true. */
  function yieldedTypes(type) {
    const next = propertyType(type, 'next');
    return (next?.getCallSignatures() ?? [])
      .flatMap((signature) => partsOf(signature.getReturnType()))
      .filter((result) => {
        const done = propertyType(result, 'done');
        return done !== undefined && checker.typeToString(done) !== 'true';
      })
      .map((result) => propertyType(result, 'value'));
  }

  function isSingleOp(type) {
    // Nothing but an iterator that can be iterated has both; it is the cheapest question to ask.
    if (isAnyOrUnknown(type) || type.getProperty('next') === undefined) return false;
    if (type.getProperty('throw') === undefined) return false;
    const yielded = yieldedTypes(type);
    return (
      yielded.length > 0 &&
      yielded.every(
        (value) =>
          value !== undefined &&
          !isAnyOrUnknown(value) &&
          checker.isTypeAssignableTo(value, waitType),
      )
    );
  }

  const mayBeOp = (type) => partsOf(type).some(isSingleOp);
  const isOp = (type) => partsOf(type).every(isSingleOp);
  const signaturesOf = (type) => partsOf(type).flatMap((part) => [...part.getCallSignatures()]);
  return {
    propertyType,
    mayBeOp,
    isOp,
    isOpList: (type) =>
      checker.isArrayLikeType(type) &&
      checker.getTypeArguments(type).some((element) => mayBeOp(element)),
    returnsOp: (type) => signaturesOf(type).some((s) => mayBeOp(s.getReturnType())),
    returnsNothing: (type) => {
      const signatures = signaturesOf(type);
      return signatures.length > 0 && signatures.every((s) => isNothing(s.getReturnType()));
    },
  };
}
