// Goal: subjects and answers of NATS service discovery follow ADR-32, field for field, and names that break it are refused.
import { describe, expect, it } from 'vitest'
import { fromUtf8 } from '../../../protocols/codec/bytes.ts'
import {
  assertDiscoverable,
  discoveryReply,
  discoverySubjects,
  parseDiscoverySubject,
} from '../../../runtime/bus/discovery.ts'
import type { DiscoveredService, DiscoveryVerb } from '../../../runtime/bus/discovery.ts'

const SERVICE: DiscoveredService = {
  name: 'ccf-main',
  id: 'n0_1',
  version: '0.1.0',
  description: 'A confidential ledger',
  metadata: { node: 'n0' },
  endpoints: [
    { name: 'rpc', subject: 'ccf.main.rpc', queueGroup: 'rpc' },
    { name: 'session', subject: 'ccf.main.session', queueGroup: '', metadata: { sealed: 'yes' } },
  ],
  startedMs: Date.UTC(2026, 10, 22, 1, 2, 3, 4),
  stats: [{ name: 'rpc', requests: 3, errors: 1, lastError: '404:ResourceNotFound', processingTimeNs: 1000 }],
}

const reply = (verb: DiscoveryVerb): unknown => JSON.parse(fromUtf8(discoveryReply(verb, SERVICE)))
const IDENTITY = { name: 'ccf-main', id: 'n0_1', version: '0.1.0', metadata: { node: 'n0' } }

describe('service discovery', () => {
  it('listens for all, for its name and for itself', () => {
    expect(discoverySubjects(SERVICE)).toEqual([
      '$SRV.PING',
      '$SRV.PING.ccf-main',
      '$SRV.PING.ccf-main.n0_1',
      '$SRV.INFO',
      '$SRV.INFO.ccf-main',
      '$SRV.INFO.ccf-main.n0_1',
      '$SRV.STATS',
      '$SRV.STATS.ccf-main',
      '$SRV.STATS.ccf-main.n0_1',
    ])
  })

  it('recognises what is meant for it', () => {
    for (const subject of discoverySubjects(SERVICE)) {
      expect(parseDiscoverySubject(subject, SERVICE)).toBe(subject.split('.')[1])
    }
    for (const subject of [
      '',
      '$SRV',
      '$SRV.ping',
      '$SRV.NOPE',
      '$SRV.PING.other',
      '$SRV.PING.ccf-main.other',
      '$SRV.PING.ccf-main.n0_1.more',
      'SRV.PING',
    ]) {
      expect(parseDiscoverySubject(subject, SERVICE)).toBeUndefined()
    }
  })

  it('answers PING', () => {
    expect(reply('PING')).toEqual({ type: 'io.nats.micro.v1.ping_response', ...IDENTITY })
  })

  it('answers INFO', () => {
    expect(reply('INFO')).toEqual({
      type: 'io.nats.micro.v1.info_response',
      ...IDENTITY,
      description: 'A confidential ledger',
      endpoints: [
        { name: 'rpc', subject: 'ccf.main.rpc', queue_group: 'rpc', metadata: {} },
        { name: 'session', subject: 'ccf.main.session', queue_group: '', metadata: { sealed: 'yes' } },
      ],
    })
  })

  it('answers STATS, with zeros for an endpoint nobody used', () => {
    expect(reply('STATS')).toEqual({
      type: 'io.nats.micro.v1.stats_response',
      ...IDENTITY,
      started: '2026-11-22T01:02:03.004Z',
      endpoints: [
        {
          name: 'rpc',
          subject: 'ccf.main.rpc',
          queue_group: 'rpc',
          num_requests: 3,
          num_errors: 1,
          last_error: '404:ResourceNotFound',
          processing_time: 1000,
          average_processing_time: 333,
        },
        {
          name: 'session',
          subject: 'ccf.main.session',
          queue_group: '',
          num_requests: 0,
          num_errors: 0,
          last_error: '',
          processing_time: 0,
          average_processing_time: 0,
        },
      ],
    })
  })

  it.each(['', 'a.b', 'a b', 'ä', '*', '>', 'x'.repeat(129)])('refuses the name %j', (name) => {
    expect(() => assertDiscoverable({ ...SERVICE, name })).toThrow(RangeError)
    expect(() => assertDiscoverable({ ...SERVICE, id: name })).toThrow(RangeError)
    const endpoints = [{ name, subject: 's', queueGroup: '' }]
    expect(() => discoveryReply('PING', { ...SERVICE, endpoints })).toThrow(RangeError)
  })

  it.each(['', '1', '1.2', 'v1.2.3', '01.2.3', '1.2.3-'])('refuses the version %j', (version) => {
    expect(() => assertDiscoverable({ ...SERVICE, version })).toThrow(RangeError)
  })

  it.each(['0.0.0', '1.2.3-rc.1', '1.2.3+build.5', '10.20.30-a-b+c'])('accepts the version %j', (version) => {
    expect(() => assertDiscoverable({ ...SERVICE, version })).not.toThrow()
  })
})
