// A registry of statements ("this package has this hash") whose receipts anyone can check offline. Everything in it is
// public, in clear in the ledger and readable by anyone: a registry is worth what strangers can audit, and its
// statements are claims made to the world. Registering needs a registered user, whose id is kept beside the statement.
// The rule to remember: a subject has one statement for ever. Registering the same again changes nothing and tells where
// the first is; a different one for the same subject is refused, so nobody can be shown another than you.
import * as v from 'valibot'
import { fromUtf8, toHex, utf8 } from '../../protocols/codec/bytes.ts'
import { defineApp, endpoint, refuse } from './define-app.ts'
import { boundedText, limit } from './fields.ts'
import { PageBuilder } from './page.ts'
import { statementBytes, type Statement } from './statement.ts'
import { bytes, jsonTable, text, typedTable } from './typed-table.ts'

export const SUBJECT_BYTES_MAX = 512
export const ISSUER_BYTES_MAX = 512
export const PAYLOAD_BYTES_MAX = 64 * 1024

interface Registration {
  /** Hex SHA-256 of the statement's canonical bytes. */
  readonly statement: string
  /** User id. */
  readonly registeredBy: string
}

/** Hex digest → canonical bytes. */
const statements = typedTable('public:transparency.statements', text, bytes)
/** Subject → its one registration. */
const subjects = jsonTable<string, Registration>('public:transparency.subjects', text)

const CONTROL = /\p{Cc}/u
const label = (bytesMax: number) =>
  v.pipe(
    boundedText(bytesMax),
    v.check((value) => !CONTROL.test(value), 'has a control character'),
  )
const hexDigest = v.pipe(
  v.string(),
  v.check(
    (value) => /^(?:[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$/.test(value),
    'expected 64, 96 or 128 lower-case hex digits',
  ),
)
const statementSchema = v.pipe(
  v.strictObject({
    subject: label(SUBJECT_BYTES_MAX),
    issuer: v.optional(label(ISSUER_BYTES_MAX)),
    payload: v.optional(boundedText(PAYLOAD_BYTES_MAX)),
    digest: v.optional(hexDigest),
  }),
  v.check(
    ({ payload, digest }) => (payload === undefined) !== (digest === undefined),
    'expected exactly one of payload and digest',
  ),
)
const digestParameter = v.strictObject({
  digest: v.pipe(
    v.string(),
    v.check((value) => /^[0-9a-f]{64}$/.test(value), 'expected 64 lower-case hex digits'),
  ),
})

const register = endpoint({
  verb: 'POST',
  path: '/statements',
  auth: ['user_cert'],
  mode: 'readwrite',
  body: statementSchema,
  /**
   * Answers the digest; `registeredAt` (a seqno) when the very same statement was registered before, and then nothing
   * is written. Otherwise the response's transaction id is the registration, and its receipt proves the statement.
   */
  handler(context) {
    const statement: Statement = context.input.body
    const content = statementBytes(statement)
    const claims = context.sha256(content)
    const digest = toHex(claims)
    const bySubject = subjects(context)
    const first = bySubject.get(statement.subject)
    if (first !== undefined) {
      if (first.statement !== digest) return refuse(409, 'PreconditionFailed', 'this subject has a different statement')
      return { body: { digest, registeredAt: bySubject.versionOfPreviousWrite(statement.subject) } }
    }
    statements(context).put(digest, content)
    const registeredBy = context.caller.kind === 'certificate' ? context.caller.id : ''
    bySubject.put(statement.subject, { registeredBy, statement: digest })
    context.setClaimsDigest(claims)
    return { body: { digest } }
  },
})

const read = endpoint({
  verb: 'GET',
  path: '/statements/{digest}',
  auth: ['no_auth'],
  mode: 'readonly',
  params: digestParameter,
  handler(context) {
    const { digest } = context.params
    const table = statements(context)
    const content = table.get(digest)
    if (content === undefined) return refuse(404, 'ResourceNotFound', 'no such statement')
    const statement = JSON.parse(fromUtf8(content)) as Statement
    const registeredBy = subjects(context).get(statement.subject)?.registeredBy
    return { body: { statement, registeredAt: table.versionOfPreviousWrite(digest), registeredBy } }
  },
})

interface Listed {
  readonly subject: string
  readonly digest: string
  readonly registeredBy: string
}

const list = endpoint({
  verb: 'GET',
  path: '/statements',
  auth: ['no_auth'],
  mode: 'readonly',
  query: v.strictObject({
    /** Prefix of the subjects wanted. */
    subject: v.optional(v.pipe(v.string(), v.maxLength(SUBJECT_BYTES_MAX)), ''),
    /** `next` of the page before. */
    from: v.optional(v.pipe(v.string(), v.maxLength(SUBJECT_BYTES_MAX))),
    limit,
  }),
  /** Subjects in ascending byte order. */
  handler(context) {
    const { subject, from, limit } = context.input.query
    const page = new PageBuilder<Listed, string>(limit)
    subjects(context).rangePrefix(utf8(subject), from, (name, { registeredBy, statement }) =>
      page.add({ subject: name, digest: statement, registeredBy }, name),
    )
    return { body: page.finish() }
  },
})

export const transparency = defineApp({ name: 'transparency', endpoints: { register, read, list } })
