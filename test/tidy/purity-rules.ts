// What actors/, protocols/ and store/kv may not touch (DESIGN §2): whatever would make the same events lead to different steps.
// The rule to remember: each finding names what to use instead.
import ts from 'typescript'
import { importsOf, lineOf, type Source } from './sources.ts'

const TIME = 'take the time from the envelope (`envelope.at`), or wall-clock time from what the host passes in'
const TIMER = 'return a `setTimer` effect; it comes back as an event of that name'
const ASYNC = 'return an effect; its result comes back as an event'
const RANDOM = 'return a `drawBytes` effect; the bytes come back as `bytesDrawn`'

const BANNED_GLOBALS: Readonly<Record<string, string>> = {
  performance: TIME,
  setTimeout: TIMER,
  setInterval: TIMER,
  setImmediate: TIMER,
  queueMicrotask: ASYNC,
  Promise: ASYNC,
  fetch: ASYNC,
  process: 'take it from the actor’s configuration',
  console: 'return a `trace` effect',
  Buffer: 'use Uint8Array and protocols/codec/bytes.ts, which browsers have too',
  require: 'import what protocols/ or store/kv offer',
}

const BANNED_MEMBERS: Readonly<Record<string, string>> = {
  'Date.now': TIME,
  'Math.random': RANDOM,
  'crypto.getRandomValues': RANDOM,
  'crypto.randomUUID': RANDOM,
}

const BANNED_PACKAGES: Readonly<Record<string, string>> = {
  nats: 'return a `publish` effect',
  '@nats-io/nats-core': 'return a `publish` effect',
  lmdb: 'return an `append` or `readLedger` effect',
  ws: 'return a `publish` effect',
  pino: 'return a `trace` effect',
}

/** The one door to cryptography, which for the rest of the rules is as pure as the others. */
const MAY_IMPORT_NODE = 'protocols/crypto/native.ts'

export const isPure = (path: string): boolean => /^(actors|protocols|store\/kv)\//.test(path)

export function impurities(source: Source): string[] {
  const found: string[] = []
  const report = (node: ts.Node, what: string, instead: string): void => {
    found.push(`${source.path}:${lineOf(source, node.getStart())} uses ${what}: ${instead}`)
  }
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && isReference(node)) {
      const instead = Object.hasOwn(BANNED_GLOBALS, node.text) ? BANNED_GLOBALS[node.text] : undefined
      const isDoor = source.path === MAY_IMPORT_NODE && node.text === 'Buffer'
      if (instead !== undefined && !isDoor) report(node, node.text, instead)
    }
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      const member = `${node.expression.text}.${node.name.text}`
      const instead = BANNED_MEMBERS[member]
      if (instead !== undefined) report(node, member, instead)
    }
    if (ts.isNewExpression(node) && node.expression.getText() === 'Date') report(node, 'new Date', TIME)
    if (node.kind === ts.SyntaxKind.AsyncKeyword || ts.isAwaitExpression(node)) report(node, 'async/await', ASYNC)
    ts.forEachChild(node, visit)
  }
  visit(source.tree)
  for (const { specifier, line } of importsOf(source)) {
    const isNode = specifier.startsWith('node:') && source.path !== MAY_IMPORT_NODE
    const instead = isNode ? 'use protocols/crypto, or return an effect' : BANNED_PACKAGES[specifier]
    if (instead !== undefined) found.push(`${source.path}:${line} imports ${specifier}: ${instead}`)
  }
  return found
}

/** True where an identifier stands for a variable or type: not as a member's, property's or declaration's own name. */
function isReference(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (ts.isQualifiedName(parent)) return parent.left === node
  if (ts.isShorthandPropertyAssignment(parent)) return true
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node
  if (ts.isVariableDeclaration(parent) || ts.isParameter(parent)) return parent.initializer === node
  if (ts.isBindingElement(parent)) return parent.initializer === node
  return !(
    ts.isPropertySignature(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isFunctionDeclaration(parent) ||
    ts.isTypeAliasDeclaration(parent) ||
    ts.isInterfaceDeclaration(parent) ||
    ts.isImportSpecifier(parent) ||
    ts.isExportSpecifier(parent)
  )
}
