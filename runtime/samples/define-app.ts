// Declares applications: typed endpoints in, the plain App of protocols/app.ts out. Not a server and not a router.
// The types of path parameters, query and body follow from the declaration; a handler never sees unchecked input.
// The rule to remember: handlers are synchronous and deterministic (protocols/app.ts); they refuse with values.
import type {
  App,
  AuthPolicy,
  Endpoint,
  HandlerContext,
  HandlerResult,
  HistoricalContext,
  HistoricalEndpoint,
  PresentEndpoint,
  Verb,
} from '../../protocols/app.ts'
import { refusal, type ErrorCode } from '../../protocols/errors.ts'
import { buildRouter } from '../../protocols/router.ts'
import { check, inputSchema, type BodyOf, type OutputOf, type RawBody, type Schema, type TypedInput } from './input.ts'

export { rawBody } from './input.ts'

/** Names of the `{name}` parameters in a path template. */
type ParameterNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParameterNames<Rest>
  : never

/** Parameters as text, or as the `params` schema makes them. */
type ParamsOf<Path extends string, Params> = Params extends Schema
  ? OutputOf<Params>
  : { readonly [Name in ParameterNames<Path>]: string }

interface Declared<
  Path extends string,
  Params extends Schema | undefined,
  Query extends Schema | undefined,
  Body extends Schema | RawBody | undefined,
> {
  readonly verb: Verb
  /** Mounted below `/app`. */
  readonly path: Path
  /** Any one suffices. */
  readonly auth: readonly AuthPolicy[]
  /** Of the object of path parameters, all text before. */
  readonly params?: Params
  /** Of the object of query parameters, all text before. Without it a query is refused. */
  readonly query?: Query
  /** Of the JSON body, or `rawBody()`. Without it a body is refused. */
  readonly body?: Body
}

export interface EndpointDeclaration<
  Path extends string,
  Params extends Schema | undefined,
  Query extends Schema | undefined,
  Body extends Schema | RawBody | undefined,
> extends Declared<Path, Params, Query, Body> {
  readonly mode: 'readonly' | 'readwrite'
  readonly handler: (
    context: HandlerContext<ParamsOf<Path, Params>, TypedInput<OutputOf<Query>, BodyOf<Body>>>,
  ) => HandlerResult
}

/** Of the past: `transaction_id` and `wait` are the platform's query parameters and not part of the schema. */
export interface HistoricalDeclaration<
  Path extends string,
  Params extends Schema | undefined,
  Query extends Schema | undefined,
> extends Declared<Path, Params, Query, undefined> {
  readonly transaction: HistoricalEndpoint['transaction']
  readonly handler: (
    context: HistoricalContext<ParamsOf<Path, Params>, TypedInput<OutputOf<Query>, undefined>>,
  ) => HandlerResult
}

type AnyContext = Parameters<PresentEndpoint['handler']>[0]
type AnyPast = Parameters<HistoricalEndpoint['handler']>[0]

/** A refusal as a handler returns it: its writes are dropped. */
export const refuse = (status: number, code: ErrorCode, message: string): HandlerResult => ({
  refused: refusal(status, code, message),
})

/** The same context with other parameters. Spelt out: the executor's context may be an instance of a class. */
const withParams = (context: AnyContext, params: unknown) => ({
  caller: context.caller,
  params,
  input: context.input,
  table: (name: string) => context.table(name),
  setClaimsDigest: (digest: Uint8Array) => context.setClaimsDigest(digest),
  sha256: (...parts: readonly Uint8Array[]) => context.sha256(...parts),
})

/** One endpoint. Bad parameters, query or body are answered with 400 InvalidInput before the handler is called. */
export function endpoint<
  const Path extends string,
  Params extends Schema | undefined = undefined,
  Query extends Schema | undefined = undefined,
  Body extends Schema | RawBody | undefined = undefined,
>(declaration: EndpointDeclaration<Path, Params, Query, Body>): PresentEndpoint {
  const { verb, path, auth, mode, params } = declaration
  // The schemas below are what makes these types true: input comes from `inputSchema`, parameters from the router (which
  // gives every name of the template) or from `check`.
  const handler = declaration.handler as unknown as PresentEndpoint['handler']
  const checked = (context: AnyContext): HandlerResult => {
    if (params === undefined) return handler(context)
    const parsed = check('path', params, context.params)
    if (!parsed.ok) return refuse(400, 'InvalidInput', parsed.message)
    return handler(withParams(context, parsed.value) as AnyContext)
  }
  return {
    verb,
    path,
    auth,
    mode,
    schema: inputSchema(declaration.query, declaration.body),
    handler: params === undefined ? handler : checked,
  }
}

/** One endpoint of mode `historical`. Input is checked as by `endpoint`. */
export function historicalEndpoint<
  const Path extends string,
  Params extends Schema | undefined = undefined,
  Query extends Schema | undefined = undefined,
>(declaration: HistoricalDeclaration<Path, Params, Query>): HistoricalEndpoint {
  const { verb, path, auth, transaction, params } = declaration
  const handler = declaration.handler as unknown as HistoricalEndpoint['handler']
  const checked = (context: AnyPast): HandlerResult => {
    if (params === undefined) return handler(context)
    const parsed = check('path', params, context.params)
    if (!parsed.ok) return refuse(400, 'InvalidInput', parsed.message)
    const { caller, input, sha256, history } = context
    const pathParams = parsed.value as AnyPast['params']
    return handler({
      caller,
      input,
      sha256,
      history,
      params: pathParams,
      get state() {
        return context.state
      },
    })
  }
  return {
    verb,
    path,
    auth,
    mode: 'historical',
    transaction,
    schema: inputSchema(declaration.query, declaration.body),
    handler: params === undefined ? handler : checked,
  }
}

export interface AppDeclaration {
  readonly name: string
  /** By name, which is for the reader; what counts is each endpoint's verb and path. */
  readonly endpoints: Readonly<Record<string, Endpoint>>
}

/** @throws RangeError when an endpoint accepts no policy, or two of them answer the same requests. */
export function defineApp(declaration: AppDeclaration): App {
  const endpoints = Object.values(declaration.endpoints)
  for (const { auth, verb, path } of endpoints) {
    if (auth.length === 0) throw new RangeError(`${verb} ${path}: needs an authentication policy`)
  }
  buildRouter(endpoints)
  return { name: declaration.name, endpoints }
}
