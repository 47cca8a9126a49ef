// The demo's statements: every package of a package-lock.json, as its name, version and integrity. Not a resolver: the lock file is taken at its word.
// The rule to remember: a package installed in several places is one statement, for a subject is registered once.
import { readFileSync } from 'node:fs'
import * as v from 'valibot'
import { UsageError } from '../../protocols/errors.ts'
import type { Statement } from '../samples/statement.ts'

const lockSchema = v.object({
  packages: v.record(
    v.string(),
    v.object({
      name: v.optional(v.string()),
      version: v.optional(v.string()),
      integrity: v.optional(v.string()),
      link: v.optional(v.boolean()),
    }),
  ),
})

const PACKAGES_FOLDER = 'node_modules/'
const ISSUER = 'package-lock.json'

/** Statements of a lock file (npm's versions 2 and 3), in its order. @throws UsageError when it cannot be read as one. */
export function packageStatements(lockFile: string): readonly Statement[] {
  const parsed = v.safeParse(lockSchema, readJson(lockFile))
  if (!parsed.success) throw new UsageError(`${lockFile} is not a package-lock.json: ${parsed.issues[0].message}`)
  const statements = new Map<string, Statement>()
  for (const [path, { name: given, version, integrity, link }] of Object.entries(parsed.output.packages)) {
    // The project itself, and links to folders, are not packages of a registry.
    if (!path.includes(PACKAGES_FOLDER) || link === true || version === undefined) continue
    const name = given ?? path.slice(path.lastIndexOf(PACKAGES_FOLDER) + PACKAGES_FOLDER.length)
    const subject = `npm:${name}@${version}`
    statements.set(subject, { subject, issuer: ISSUER, payload: JSON.stringify({ name, version, integrity }) })
  }
  return [...statements.values()]
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
