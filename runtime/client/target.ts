// `POST /statements` → verb, path and body bytes of a request, checked before anything is sent.
// The rule to remember: paths below /app, /node and /gov are taken as they are; any other belongs to the application and is put below /app.
import { EMPTY, utf8 } from '../../protocols/codec/bytes.ts'
import { checkRequest } from '../../protocols/session/messages.ts'
import { ConcordatError } from './errors.ts'

const FRONTENDS = ['/app/', '/node/', '/gov/']

/** Verb and full path of a target; throws ConcordatError InvalidInput. */
export function parseTarget(target: string): { readonly verb: string; readonly path: string } {
  const space = target.indexOf(' ')
  const path = target.slice(space + 1)
  if (space < 1 || !path.startsWith('/')) {
    throw new ConcordatError(
      'InvalidInput',
      `a target is a method and a path, such as 'GET /app/commit'; got '${target.slice(0, 80)}'`,
    )
  }
  const isComplete = FRONTENDS.some((frontend) => path.startsWith(frontend))
  return { verb: target.slice(0, space), path: isComplete ? path : `/app${path}` }
}

/** Bytes as they are, anything else as JSON, nothing for undefined. */
export const encodeBody = (body: unknown): Uint8Array => {
  if (body === undefined) return EMPTY
  return body instanceof Uint8Array ? body : utf8(JSON.stringify(body))
}

/** Throws ConcordatError with CCF's code for what the service would refuse by its limits alone. */
export function assertSendable(request: {
  readonly id: number
  readonly verb: string
  readonly path: string
  readonly body: Uint8Array
}): void {
  const problem = checkRequest(request)
  if (problem !== undefined) throw new ConcordatError(problem.code, problem.message, { status: problem.status })
}
