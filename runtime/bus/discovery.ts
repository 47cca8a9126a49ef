// NATS service discovery (ADR-32, "NATS Service API"): what a service listens to and what it answers.
// Pure: no bus, no clock. Whoever hosts a service subscribes to the subjects (no queue group: every instance answers)
// and publishes the answer to the reply subject.
// The rule to remember: everything here is public and travels in clear.
import { utf8 } from '../../protocols/codec/bytes.ts'

export type DiscoveryVerb = 'PING' | 'INFO' | 'STATS'

export interface DiscoveryEndpoint {
  readonly name: string
  readonly subject: string
  /** Empty if every instance answers. */
  readonly queueGroup: string
  readonly metadata?: Readonly<Record<string, string>>
}

export interface EndpointStats {
  /** The endpoint's name. */
  readonly name: string
  readonly requests: number
  readonly errors: number
  readonly lastError: string
  /** Total time spent on requests. */
  readonly processingTimeNs: number
}

export interface DiscoveredService {
  /** Letters, digits, `-` and `_`. */
  readonly name: string
  /** Names this instance; unique. */
  readonly id: string
  /** Semantic version. */
  readonly version: string
  readonly description: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly endpoints: readonly DiscoveryEndpoint[]
  /** When the instance started, in milliseconds since 1970. */
  readonly startedMs: number
  /** One per endpoint that has served anything; others are reported as zero. */
  readonly stats: readonly EndpointStats[]
}

const VERBS: readonly DiscoveryVerb[] = ['PING', 'INFO', 'STATS']
const NAME = /^[A-Za-z0-9_-]{1,128}$/
/** The pattern recommended by semver.org. */
const VERSION =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/

/** Throws RangeError unless name, id, version and the endpoints' names follow ADR-32. */
export function assertDiscoverable(service: DiscoveredService): void {
  if (!NAME.test(service.name)) throw new RangeError('a service name consists of letters, digits, - and _')
  if (!NAME.test(service.id)) throw new RangeError('a service id consists of letters, digits, - and _')
  if (service.version.length > 128 || !VERSION.test(service.version)) {
    throw new RangeError('a service version must be semantic (1.2.3)')
  }
  for (const endpoint of service.endpoints) {
    if (!NAME.test(endpoint.name)) throw new RangeError('an endpoint name consists of letters, digits, - and _')
  }
}

/** The nine subjects an instance listens to: for all services, for its name, for itself. */
export function discoverySubjects(service: Pick<DiscoveredService, 'name' | 'id'>): string[] {
  return VERBS.flatMap((verb) => [
    `$SRV.${verb}`,
    `$SRV.${verb}.${service.name}`,
    `$SRV.${verb}.${service.name}.${service.id}`,
  ])
}

/** What a message on `subject` asks of this instance; undefined if it is not meant for it. */
export function parseDiscoverySubject(
  subject: string,
  service: Pick<DiscoveredService, 'name' | 'id'>,
): DiscoveryVerb | undefined {
  const [prefix, verb, name, id, ...rest] = subject.split('.')
  if (prefix !== '$SRV' || rest.length > 0) return undefined
  if (name !== undefined && name !== service.name) return undefined
  if (id !== undefined && id !== service.id) return undefined
  return VERBS.find((known) => known === verb)
}

/** The JSON answer to `verb`, ready to publish. */
export function discoveryReply(verb: DiscoveryVerb, service: DiscoveredService): Uint8Array {
  assertDiscoverable(service)
  return utf8(JSON.stringify(replyObject(verb, service)))
}

function replyObject(verb: DiscoveryVerb, service: DiscoveredService): object {
  const identity = {
    name: service.name,
    id: service.id,
    version: service.version,
    metadata: service.metadata ?? {},
  }
  switch (verb) {
    case 'PING':
      return { type: 'io.nats.micro.v1.ping_response', ...identity }
    case 'INFO':
      return {
        type: 'io.nats.micro.v1.info_response',
        ...identity,
        description: service.description,
        endpoints: service.endpoints.map((endpoint) => ({
          ...endpointIdentity(endpoint),
          metadata: endpoint.metadata ?? {},
        })),
      }
    case 'STATS':
      return {
        type: 'io.nats.micro.v1.stats_response',
        ...identity,
        started: new Date(service.startedMs).toISOString(),
        endpoints: service.endpoints.map((endpoint) => endpointStats(endpoint, service.stats)),
      }
  }
}

const endpointIdentity = (endpoint: DiscoveryEndpoint): object => ({
  name: endpoint.name,
  subject: endpoint.subject,
  queue_group: endpoint.queueGroup,
})

function endpointStats(endpoint: DiscoveryEndpoint, stats: readonly EndpointStats[]): object {
  const own = stats.find(({ name }) => name === endpoint.name)
  const requests = own?.requests ?? 0
  const processingTimeNs = own?.processingTimeNs ?? 0
  return {
    ...endpointIdentity(endpoint),
    num_requests: requests,
    num_errors: own?.errors ?? 0,
    last_error: own?.lastError ?? '',
    processing_time: processingTimeNs,
    average_processing_time: requests === 0 ? 0 : Math.floor(processingTimeNs / requests),
  }
}
