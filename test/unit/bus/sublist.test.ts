// Goal: the trie finds exactly the subscriptions a naive matcher finds, through any history of additions and removals,
// with and without its cache; the rules for subjects agree with a naive reading of NATS' documentation.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isValidFilter, isValidLiteral } from '../../../runtime/bus/subject-rules.ts'
import { Sublist } from '../../../runtime/bus/sublist.ts'
import type { Filter } from '../../../runtime/bus/sublist.ts'

const byText = (a: unknown, b: unknown): number => (String(a) < String(b) ? -1 : 1)

function naiveMatch(filter: string, subject: string): boolean {
  const [f, s] = [filter.split('.'), subject.split('.')]
  if (s.includes('')) return false
  for (let i = 0; i < f.length; i++) {
    if (f[i] === '>') return s.length > i
    if (i >= s.length || (f[i] !== '*' && f[i] !== s[i])) return false
  }
  return f.length === s.length
}

interface Sub extends Filter {
  readonly id: number
}

const literalToken = fc.constantFrom('a', 'b', 'c', '_INBOX', 'a*')
const filter = fc
  .tuple(
    fc.array(fc.oneof(literalToken, fc.constant('*')), { maxLength: 3 }),
    fc.oneof(literalToken, fc.constantFrom('*', '>')),
  )
  .map(([tokens, last]) => [...tokens, last].join('.'))
const subject = fc.array(fc.oneof({ weight: 12, arbitrary: literalToken }, { weight: 1, arbitrary: fc.constant('') }), {
  minLength: 1,
  maxLength: 5,
})
const command = fc.oneof(
  fc.record({ add: filter, queue: fc.option(fc.constantFrom('q', 'r'), { nil: undefined }) }),
  fc.record({ remove: fc.nat(20) }),
  fc.record({ match: subject.map((tokens) => tokens.join('.')) }),
)

function check(sublist: Sublist<Sub>, present: readonly Sub[], wanted: string): void {
  const found = sublist.match(wanted)
  const expected = present.filter((sub) => naiveMatch(sub.subject, wanted))
  const ids = (subs: readonly Sub[]): number[] => subs.map((sub) => sub.id).sort((x, y) => x - y)
  expect(ids(found.plain)).toEqual(ids(expected.filter((sub) => sub.queue === undefined)))
  const queues = [...new Set(expected.flatMap((sub) => sub.queue ?? []))]
  expect(found.groups).toHaveLength(queues.length)
  const groups = found.groups.map((group) => ids(group.members)).sort(byText)
  expect(groups).toEqual(queues.map((queue) => ids(expected.filter((sub) => sub.queue === queue))).sort(byText))
}

describe('the sublist', () => {
  it('equals a naive matcher through any history', () => {
    const property = fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const sublist = new Sublist<Sub>()
      const present: Sub[] = []
      commands.forEach((step, id) => {
        if ('add' in step) {
          const sub = { id, subject: step.add, queue: step.queue }
          present.push(sub)
          sublist.insert(sub)
        } else if ('remove' in step) {
          const [sub] = present.splice(step.remove, 1)
          if (sub !== undefined) {
            expect(sublist.remove(sub)).toBe(true)
            expect(sublist.remove(sub)).toBe(false)
          }
        } else check(sublist, present, step.match)
        expect(sublist.size).toBe(present.length)
      })
    })
    fc.assert(property, { seed: 1, numRuns: 2000 })
  })

  it('stays right when more subjects are used than the cache holds', () => {
    const sublist = new Sublist<Sub>()
    const all = { id: 0, subject: 's.*', queue: undefined }
    sublist.insert(all)
    for (let i = 0; i < 10_000; i++) expect(sublist.match(`s.${i}`).plain).toEqual([all])
    const late = { id: 1, subject: 's.9999', queue: undefined }
    sublist.insert(late)
    expect(sublist.match('s.9999').plain).toHaveLength(2)
    sublist.remove(all)
    expect(sublist.match('s.9999').plain).toEqual([late])
    expect(sublist.match('s.9998').plain).toEqual([])
  })

  it('rotates through a queue group even when every subject is new', () => {
    const sublist = new Sublist<Sub>()
    const members = [0, 1, 2].map((id) => ({ id, subject: 'w.*', queue: 'q' }))
    members.forEach((member) => sublist.insert(member))
    const turns = [0, 0, 0]
    for (let i = 0; i < 30; i++) {
      const [group] = sublist.match(`w.${i}`).groups
      turns[group!.rotation.next++ % 3]!++
    }
    expect(turns).toEqual([10, 10, 10])
  })

  it('handles subjects as deep as a control line allows', () => {
    const sublist = new Sublist<Sub>()
    const deep = Array.from({ length: 2000 }, () => 'x').join('.')
    const subs = [deep, deep.replaceAll('x', '*'), 'x.>'].map((text, id) => ({ id, subject: text, queue: undefined }))
    subs.forEach((sub) => sublist.insert(sub))
    expect(sublist.match(deep).plain).toHaveLength(3)
    subs.forEach((sub) => expect(sublist.remove(sub)).toBe(true))
    expect(sublist.match(deep).plain).toEqual([])
  })
})

describe('the rules for subjects', () => {
  const text = fc.stringMatching(/^[ab.*> \t]{0,8}$/)
  it('equal a naive reading', () => {
    const property = fc.property(text, (candidate) => {
      const tokens = candidate.split('.')
      const isFilter = tokens.every((token) => token !== '' && !/\s/.test(token)) && !tokens.slice(0, -1).includes('>')
      expect(isValidFilter(candidate)).toBe(isFilter)
      expect(isValidLiteral(candidate)).toBe(isFilter && !tokens.includes('*') && !tokens.includes('>'))
    })
    fc.assert(property, { seed: 1, numRuns: 5000 })
  })
})
