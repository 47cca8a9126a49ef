// Goal: scenario files are read exactly as CCF's driver reads them, and whatever is not one is refused with the physical line of the fault.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../protocols/codec/bytes.ts'
import type { Command } from '../../runtime/scenario/command.ts'
import { nodesBytes, signatureBytes, transactionBytes } from '../../runtime/scenario/entries.ts'
import {
  parseScenario,
  SCENARIO_CHARS_MAX,
  SCENARIO_COMMANDS_MAX,
  ScenarioSyntaxError,
} from '../../runtime/scenario/parse.ts'
import { CCF_COMMANDS, OWN_COMMANDS } from '../../runtime/scenario/syntax.ts'

const commands = (text: string): Command[] => parseScenario(text).map(({ command }) => command)

/** `line: reason` of the refusal. */
function refused(text: string): string {
  try {
    parseScenario(text)
  } catch (error) {
    if (error instanceof ScenarioSyntaxError) return `${error.line}: ${error.message}`
    throw error
  }
  return 'accepted'
}

describe('a scenario file', () => {
  it('counts physical lines, without comments, empty lines and blanks at the end', () => {
    const lines = parseScenario('# begin\n\nstart_node,0 \t# one\r\n   \n#,,\nemit_signature,2#two')
    expect(lines.map(({ line, text }) => [line, text])).toEqual([
      [3, 'start_node,0'],
      [6, 'emit_signature,2'],
    ])
  })

  it('ends at a line that begins with ====', () => {
    expect(commands('state_all\n=====\nno such command')).toHaveLength(1)
    expect(refused('state_all\n ====')).toContain("2: unknown command ' ===='")
  })

  it('keeps blanks and case inside of fields, and takes no quotes', () => {
    expect(commands('replicate,2, Hello "World"')).toEqual([{ do: 'replicate', leaderOf: 2, text: ' Hello "World"' }])
    expect(commands('replicate,latest,x')).toEqual([{ do: 'replicate', leaderOf: 'latest', text: 'x' }])
  })

  it.each([
    ['an unknown command', 'state_all\n\nstat_all', "3: unknown command 'stat_all'"],
    ['a command with blanks before it', ' state_all', "1: unknown command ' state_all'"],
    ['too few fields', 'replicate,2', '1: replicate takes the fields T,text, found 1 field'],
    [
      'an empty last field, which does not count',
      'replicate,2,',
      '1: replicate takes the fields T,text, found 1 field',
    ],
    ['too many fields', 'replicate,2,a,b', '1: replicate takes the fields T,text, found 3 fields'],
    ['a field where none belongs', '#\ndispatch_all,1', '2: dispatch_all takes no fields, found 1 field'],
    ['too few of many', 'trust_nodes,2', '1: trust_nodes takes the fields T,A,.., found 1 field'],
    ['a view that is no number', 'emit_signature,x', "1: emit_signature: 'x' is not a view or `latest`"],
    ['a time that is no number', 'periodic_one,0,1O', "1: periodic_one: '1O' is not a number of milliseconds"],
    ['a negative time', 'periodic_all,-10', "1: periodic_all: '-10' is not a number of milliseconds"],
    [
      'an index that is no number',
      'assert_commit_idx,0,',
      '1: assert_commit_idx takes the fields A,idx, found 1 field',
    ],
    ['neither true nor false', 'pre_vote_enabled,yes', "1: pre_vote_enabled: 'yes' is neither true nor false"],
    ['an empty node id', 'connect,,1', "1: connect: '' is not a node id (letters, digits, _ . : -)"],
    ['a node id with blanks', 'connect, 0,1', "1: connect: ' 0' is not a node id (letters, digits, _ . : -)"],
    [
      'a node id that is a trap',
      'crash,__proto__',
      "1: crash: '__proto__' is not a node id (letters, digits, _ . : -)",
    ],
    ['swap_nodes without in or out', 'swap_nodes,2,1,in,2', "1: swap_nodes: expected 'in' or 'out' after the view"],
  ])('is refused for %s', (_, text, expected) => expect(refused(text)).toBe(expected))

  it('is bounded', () => {
    expect(parseScenario('dispatch_all\n'.repeat(SCENARIO_COMMANDS_MAX))).toHaveLength(SCENARIO_COMMANDS_MAX)
    expect(refused('dispatch_all\n'.repeat(SCENARIO_COMMANDS_MAX + 1))).toBe('5001: more than 5000 commands')
    expect(refused(' '.repeat(SCENARIO_CHARS_MAX + 1))).toContain('at most')
  })

  it('is either commands or one refusal, for any text', () => {
    const name = fc.constantFrom(...Object.keys({ ...CCF_COMMANDS, ...OWN_COMMANDS }))
    const field = fc.oneof(fc.constantFrom('0', '1', '2', 'in', 'out', 'latest', 'true', ''), fc.string())
    const line = fc.oneof(
      fc.string(),
      fc.tuple(name, fc.array(field, { maxLength: 6 })).map(([first, rest]) => [first, ...rest].join(',')),
    )
    const outcomes = { accepted: 0, refused: 0 }
    fc.assert(
      fc.property(fc.array(line, { maxLength: 5 }), (lines) => {
        outcomes[refused(lines.join('\n')) === 'accepted' ? 'accepted' : 'refused']++
      }),
      { seed: 20, numRuns: 2000 },
    )
    expect(outcomes.accepted).toBeGreaterThan(100)
    expect(outcomes.refused).toBeGreaterThan(100)
  })
})

describe('swap_nodes', () => {
  const swapped = (fields: string) => {
    const [command] = commands(`swap_nodes,2,${fields}`) as [Extract<Command, { do: 'swapNodes' }>]
    return [command.incoming, command.outgoing]
  }

  it('takes both orders, and one part alone', () => {
    expect(swapped('in,1,2,out,3')).toEqual([['1', '2'], ['3']])
    expect(swapped('out,3,in,1,2')).toEqual([['1', '2'], ['3']])
    expect(swapped('in,1')).toEqual([['1'], []])
    expect(swapped('out,1,2')).toEqual([[], ['1', '2']])
  })

  it('names first who goes when it is swap_node', () =>
    expect(commands('swap_node,2,0,1')).toEqual([{ do: 'swapNodes', leaderOf: 2, outgoing: ['0'], incoming: ['1'] }]))
})

describe('every command', () => {
  it.each(Object.entries({ ...CCF_COMMANDS, ...OWN_COMMANDS }))(
    '%s can be written as its usage says',
    (name, { usage }) => {
      const example: Readonly<Record<string, string>> = {
        T: '2',
        ms: '10',
        idx: '1',
        k: '0',
        name: 'ccf',
        'true|false': 'true',
      }
      const fields = usage.split(',').filter((field) => field !== '..' && field !== '')
      const line = [name, ...fields.map((field) => example[field] ?? field)].join(',')
      expect(commands(line)).toHaveLength(1)
    },
  )
})

describe('entries are as long as those of CCF’s driver', () => {
  it.each([
    ['a signature', signatureBytes(), 36],
    ['a configuration of one node', nodesBytes('reconfiguration', ['0']), 64],
    ['a configuration of two nodes', nodesBytes('reconfiguration', ['0', '1']), 92],
  ])('%s', (_, bytes, length) => expect(bytes).toHaveLength(length))

  it('and have their text', () => {
    expect(transactionBytes('hello')).toEqual(utf8('{"data":"aGVsbG8=","type":"raw"}'))
    const members = Buffer.from('{"10":{"address":":"},"9":{"address":":"}}').toString('base64')
    expect(nodesBytes('retiredCommitted', ['10', '9'])).toEqual(
      utf8(`{"data":"${members}","type":"retired_committed"}`),
    )
  })
})
