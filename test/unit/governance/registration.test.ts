// Goal: a caller is accepted exactly when one of the endpoint's policies is met by the current registrations.
import { describe, expect, it } from 'vitest'
import type { AuthPolicy, Caller } from '../../../protocols/app.ts'
import { fromUtf8 } from '../../../protocols/codec/bytes.ts'
import { acceptingPolicy, registrationTable } from '../../../protocols/governance/registration.ts'

const registered = new Set(['public:ccf.gov.users.certs/user', 'public:ccf.gov.members.certs/member'])
const has = (table: string, key: Uint8Array): boolean => registered.has(`${table}/${fromUtf8(key)}`)
const certificate = (id: string): Caller => ({ kind: 'certificate', id })
const anonymous: Caller = { kind: 'anonymous' }

describe('acceptingPolicy', () => {
  it.each<[readonly AuthPolicy[], Caller, AuthPolicy | undefined]>([
    [['user_cert'], certificate('user'), 'user_cert'],
    [['user_cert'], certificate('member'), undefined],
    [['user_cert'], certificate('stranger'), undefined],
    [['user_cert'], anonymous, undefined],
    [['member_cert'], certificate('member'), 'member_cert'],
    [['member_cert'], certificate('user'), undefined],
    [['member_cert', 'user_cert'], certificate('user'), 'user_cert'],
    [['any_cert'], certificate('stranger'), 'any_cert'],
    [['any_cert'], anonymous, undefined],
    [['no_auth'], anonymous, 'no_auth'],
    [['user_cert', 'no_auth'], certificate('stranger'), 'no_auth'],
    [['user_cert', 'no_auth'], certificate('user'), 'user_cert'],
    [[], certificate('user'), undefined],
  ])('%j for %j gives %s', (policies, caller, expected) => {
    expect(acceptingPolicy(policies, caller, has)).toBe(expected)
  })

  it('names the table that decides', () => {
    const policies: AuthPolicy[] = ['user_cert', 'member_cert', 'any_cert', 'no_auth']
    expect(policies.map(registrationTable)).toEqual([
      'public:ccf.gov.users.certs',
      'public:ccf.gov.members.certs',
      undefined,
      undefined,
    ])
  })
})
