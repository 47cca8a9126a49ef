// From the bytes and query of a request to typed input: bounded, strict UTF-8, then a valibot schema (valibot.dev).
// The rule to remember: a refusal names the field and what was expected of it, never what was sent.
import * as v from 'valibot'
import type { InputSchema, RawInput } from '../../protocols/app.ts'
import { fromUtf8 } from '../../protocols/codec/bytes.ts'
import { parseJson as parseJsonText } from '../../protocols/codec/json.ts'
import { REQUEST_BODY_BYTES_MAX } from '../../protocols/limits.ts'

/** A synchronous valibot schema. */
export type Schema = v.GenericSchema<unknown, unknown>

/** The body is taken as it is, whatever its bytes. */
export interface RawBody {
  readonly kind: 'rawBody'
  readonly bytesMax: number
}

export const rawBody = (bytesMax: number = REQUEST_BODY_BYTES_MAX): RawBody => ({ kind: 'rawBody', bytesMax })

export type BodyOf<B> = B extends RawBody ? Uint8Array : B extends Schema ? v.InferOutput<B> : undefined
export type OutputOf<S> = S extends Schema ? v.InferOutput<S> : undefined

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string }
const refuse = (message: string) => ({ ok: false, message }) as const

/** Where in the input, as far as the schema itself names the way: a client's own names may be secrets. */
function knownPath(root: string, schema: unknown, path: readonly { readonly key: unknown }[]): string {
  let name = root
  let at: unknown = schema
  for (const { key } of path) {
    while (isObject(at) && 'wrapped' in at) at = at['wrapped']
    if (isObject(at) && isObject(at['entries']) && typeof key === 'string' && Object.hasOwn(at['entries'], key)) {
      name += `.${key}`
      at = at['entries'][key]
    } else if (isObject(at) && 'item' in at && typeof key === 'number') {
      name += `[${key}]`
      at = at['item']
    } else return name
  }
  return name
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** valibot's own messages end with what it received; those that a schema's author wrote stand as they are. */
const isDefaultMessage = (message: string): boolean => message.startsWith('Invalid ') && message.includes('eceived ')

function describe(root: string, schema: Schema, issue: v.BaseIssue<unknown>): string {
  const where = knownPath(root, schema, issue.path ?? [])
  if (issue.expected === 'never') return `${where}: has a field that is not expected`
  if (issue.kind === 'schema' && issue.received === 'undefined') return `${where}: is missing`
  if (!isDefaultMessage(issue.message)) return `${where}: ${issue.message}`
  return `${where}: expected ${issue.expected ?? issue.type.replaceAll('_', ' ')}`
}

/** Checks a decoded value. `root` names it in messages: `body`, `query`, `path`. */
export function check<S extends Schema>(root: string, schema: S, value: unknown): Parsed<v.InferOutput<S>> {
  const result = v.safeParse(schema, value, { abortEarly: true })
  if (result.success) return { ok: true, value: result.output }
  return refuse(describe(root, schema, result.issues[0]))
}

function parseJson(body: Uint8Array): Parsed<unknown> {
  if (body.length === 0) return refuse('body: is missing')
  if (body.length > REQUEST_BODY_BYTES_MAX) return refuse(`body: larger than ${REQUEST_BODY_BYTES_MAX} bytes`)
  let text: string
  try {
    text = fromUtf8(body)
  } catch {
    return refuse('body: expected UTF-8')
  }
  try {
    return { ok: true, value: parseJsonText(text) }
  } catch {
    return refuse('body: expected JSON')
  }
}

function parseBody(body: Uint8Array, declared: Schema | RawBody | undefined): Parsed<unknown> {
  if (declared === undefined) {
    return body.length === 0 ? { ok: true, value: undefined } : refuse('body: this endpoint takes none')
  }
  if (declared.kind === 'rawBody') {
    return body.length <= declared.bytesMax
      ? { ok: true, value: body }
      : refuse(`body: larger than ${declared.bytesMax} bytes`)
  }
  const parsed = parseJson(body)
  return parsed.ok ? check('body', declared, parsed.value) : parsed
}

function parseQuery(query: RawInput['query'], declared: Schema | undefined): Parsed<unknown> {
  if (declared !== undefined) return check('query', declared, query)
  for (const name in query) if (name in query) return refuse('query: this endpoint takes none')
  return { ok: true, value: undefined }
}

export interface TypedInput<Query, Body> {
  readonly query: Query
  readonly body: Body
}

/** The InputSchema of an endpoint that declares these. What is not declared must not be sent. */
export function inputSchema<Query extends Schema | undefined, Body extends Schema | RawBody | undefined>(
  query: Query,
  body: Body,
): InputSchema<unknown> {
  return (raw) => {
    const parsedQuery = parseQuery(raw.query, query)
    if (!parsedQuery.ok) return parsedQuery
    const parsedBody = parseBody(raw.body, body)
    if (!parsedBody.ok) return parsedBody
    return { ok: true, value: { query: parsedQuery.value, body: parsedBody.value } }
  }
}
