// Finds the endpoint of a request by verb and path. Not authentication and not input validation.
// A literal path is one Map lookup and allocates nothing; templates are tried only when that fails, so an exact path wins
// over a template as in CCF (facts §10.1). Paths are compared as sent: only parameters are percent-decoded (RFC 3986 §2.1).
// The rule to remember: what could be ambiguous at run time is refused when the router is built.
import type { Verb } from './app.ts'
import { REQUEST_PATH_BYTES_MAX } from './limits.ts'
import { compileTemplate, overlaps, type Template } from './route-template.ts'

/** Parameters in one query string; more are refused. */
export const QUERY_PARAMETERS_MAX = 64

export type Parameters = Readonly<Record<string, string>>

export interface Routable {
  readonly verb: Verb
  /** Begins with `/`; `{name}` matches within one segment. */
  readonly path: string
}

export type Route<E> =
  | { readonly kind: 'found'; readonly endpoint: E; readonly params: Parameters; readonly query: Parameters }
  | { readonly kind: 'notFound' }
  /** `allow`: the verbs this path has, sorted, for the Allow header (facts §8). */
  | { readonly kind: 'wrongVerb'; readonly allow: readonly string[] }
  | { readonly kind: 'badRequest'; readonly message: string }

export interface Router<E> {
  /** `path` carries the query, if any. Total: any two strings give an answer. */
  route(verb: string, path: string): Route<E>
}

type Found<E> = Extract<Route<E>, { kind: 'found' }>
type ByVerb<E> = Map<string, Found<E>>

const NOT_FOUND = { kind: 'notFound' } as const
const badRequest = (message: string) => ({ kind: 'badRequest', message }) as const
/**
 * Inherits nothing, since a parameter may be called `__proto__` or `toString`. Made by a constructor because V8 keeps
 * what Object.create(null) gives in dictionary mode, several times slower (Node's querystring does the same).
 */
const Bag = function () {} as unknown as new () => Record<string, string>
Bag.prototype = Object.freeze(Object.create(null)) as Record<string, string>
const emptyRecord = (): Record<string, string> => new Bag()
const NONE: Parameters = Object.freeze(emptyRecord())

/** The decoded text, or undefined when an escape is malformed or is not UTF-8. */
function percentDecode(text: string): string | undefined {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/**
 * Decodes `a=1&b=2`; `+` is a space (WHATWG URL §5.1). Returns a message when it is malformed, names a parameter twice
 * or has more than QUERY_PARAMETERS_MAX.
 */
export function decodeQuery(text: string): Parameters | string {
  const query = emptyRecord()
  let count = 0
  for (let at = 0; at < text.length;) {
    const next = text.indexOf('&', at)
    const end = next === -1 ? text.length : next
    if (end > at) {
      if (++count > QUERY_PARAMETERS_MAX) return `more than ${QUERY_PARAMETERS_MAX} query parameters`
      const sent = text.slice(at, end)
      const pair = sent.includes('+') ? sent.replaceAll('+', ' ') : sent
      const equals = pair.indexOf('=')
      const name = percentDecode(equals === -1 ? pair : pair.slice(0, equals))
      const value = equals === -1 ? '' : percentDecode(pair.slice(equals + 1))
      if (name === undefined || value === undefined) return 'malformed percent-encoding in the query'
      if (name in query) return 'a query parameter is given twice'
      query[name] = value
    }
    at = end + 1
  }
  return query
}

class PathRouter<E extends Routable> implements Router<E> {
  readonly #literals = new Map<string, ByVerb<E>>()
  /** By number of segments. */
  readonly #templates = new Map<number, { readonly endpoint: E; readonly template: Template }[]>()

  constructor(endpoints: readonly E[]) {
    for (const endpoint of endpoints) {
      const template = compileTemplate(endpoint.path)
      if (template.names.length === 0) this.#addLiteral(endpoint)
      else this.#addTemplate(endpoint, template)
    }
  }

  #addLiteral(endpoint: E): void {
    const verbs: ByVerb<E> = this.#literals.get(endpoint.path) ?? new Map<string, Found<E>>()
    if (verbs.has(endpoint.verb)) throw new RangeError(`duplicate endpoint ${endpoint.verb} ${endpoint.path}`)
    verbs.set(endpoint.verb, { kind: 'found', endpoint, params: NONE, query: NONE })
    this.#literals.set(endpoint.path, verbs)
  }

  #addTemplate(endpoint: E, template: Template): void {
    const peers = this.#templates.get(template.segments) ?? []
    for (const peer of peers) {
      if (peer.endpoint.verb === endpoint.verb && overlaps(peer.template, template))
        throw new RangeError(`${endpoint.verb} ${endpoint.path} matches what ${peer.endpoint.path} matches`)
    }
    peers.push({ endpoint, template })
    this.#templates.set(template.segments, peers)
  }

  route(verb: string, path: string): Route<E> {
    const found = this.#literals.get(path)?.get(verb)
    if (found !== undefined) return found
    return this.#routeSlowly(verb, path)
  }

  #routeSlowly(verb: string, path: string): Route<E> {
    // In UTF-16 units, which are never more than the bytes: the frame's decoder bounds the bytes.
    if (path.length > REQUEST_PATH_BYTES_MAX) return badRequest('the path is too long')
    const mark = path.indexOf('?')
    const bare = mark === -1 ? path : path.slice(0, mark)
    const literal = this.#literals.get(bare)
    const match = literal?.get(verb) ?? this.#matchTemplate(verb, bare)
    if (match === undefined) return this.#refuseVerb(bare, literal)
    if (match.kind !== 'found' || mark === -1) return match
    const query = decodeQuery(path.slice(mark + 1))
    return typeof query === 'string'
      ? badRequest(query)
      : { kind: 'found', endpoint: match.endpoint, params: match.params, query }
  }

  #candidates(path: string) {
    let segments = 0
    for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) === 0x2f) segments++
    return this.#templates.get(segments) ?? []
  }

  #matchTemplate(verb: string, path: string): Route<E> | undefined {
    for (const { endpoint, template } of this.#candidates(path)) {
      if (endpoint.verb !== verb) continue
      const values = template.pattern.exec(path)
      if (values === null) continue
      const params = emptyRecord()
      for (let i = 0; i < template.names.length; i++) {
        const value = percentDecode(values[i + 1]!)
        if (value === undefined) return badRequest('malformed percent-encoding in the path')
        params[template.names[i]!] = value
      }
      return { kind: 'found', endpoint, params, query: NONE }
    }
    return undefined
  }

  #refuseVerb(path: string, literal: ByVerb<E> | undefined): Route<E> {
    const allow = new Set<string>(literal?.keys())
    for (const { endpoint, template } of this.#candidates(path)) {
      if (template.pattern.test(path)) allow.add(endpoint.verb)
    }
    return allow.size === 0 ? NOT_FOUND : { kind: 'wrongVerb', allow: [...allow].sort() }
  }
}

/**
 * @throws RangeError for a malformed template, an endpoint given twice, or two templates of one verb that match one path
 * (which CCF finds out only when such a request arrives, facts §10.1).
 */
export const buildRouter = <E extends Routable>(endpoints: readonly E[]): Router<E> => new PathRouter(endpoints)
