// The logging app: messages by number, private (encrypted in the ledger) under /log/private and public under /log/public.
// `raw` keeps bytes as they are sent, in tables of their own since they need not be text: the shortest way through a
// node, which the bench measures. `historical`, `historical_receipt` and `history` read what was committed before.
// Anyone may read what is public; all else needs a registered user.
import * as v from 'valibot'
import type { AuthPolicy } from '../../protocols/app.ts'
import { equalBytes } from '../../protocols/codec/bytes.ts'
import { formatTxId } from '../../protocols/ids.ts'
import { defineApp, endpoint, historicalEndpoint, rawBody, refuse } from './define-app.ts'
import { boundedText, decimal, limit, wholeNumber } from './fields.ts'
import { PageBuilder } from './page.ts'
import { bytes, text, typedTable, u64 } from './typed-table.ts'

/** UTF-8 bytes of one message: as JSON, where one byte may become six, it still fits a request and a response. */
export const MESSAGE_BYTES_MAX = 64 * 1024

/** Transactions in one page of a history: each may be as large as a message. */
const HISTORY_ITEMS_MAX = 50

const id = v.strictObject({ id: decimal(0) })
const noSuchRecord = refuse(404, 'ResourceNotFound', 'no such record')

function endpoints<const Where extends 'private' | 'public'>(where: Where, readers: readonly AuthPolicy[]) {
  const prefix = where === 'public' ? 'public:' : ''
  const records = typedTable(`${prefix}records`, u64, text)
  const raws = typedTable(`${prefix}records.raw`, u64, bytes)
  const writers: readonly AuthPolicy[] = ['user_cert']
  return {
    [`${where}Post`]: endpoint({
      verb: 'POST',
      path: `/log/${where}`,
      auth: writers,
      mode: 'readwrite',
      body: v.strictObject({ id: wholeNumber(0), msg: boundedText(MESSAGE_BYTES_MAX) }),
      handler(context) {
        const { id, msg } = context.input.body
        records(context).put(id, msg)
        return { body: true }
      },
    }),
    [`${where}Get`]: endpoint({
      verb: 'GET',
      path: `/log/${where}`,
      auth: readers,
      mode: 'readonly',
      query: id,
      handler(context) {
        const msg = records(context).get(context.input.query.id)
        return msg === undefined ? noSuchRecord : { body: { id: context.input.query.id, msg } }
      },
    }),
    [`${where}Delete`]: endpoint({
      verb: 'DELETE',
      path: `/log/${where}`,
      auth: writers,
      mode: 'readwrite',
      query: id,
      // False when there was none: like CCF's, deleting twice is no error.
      handler: (context) => ({ body: records(context).delete(context.input.query.id) }),
    }),
    [`${where}Range`]: endpoint({
      verb: 'GET',
      path: `/log/${where}/range`,
      auth: readers,
      mode: 'readonly',
      query: v.strictObject({ from: v.optional(decimal(0), '0'), to: v.optional(decimal(0)), limit }),
      /** Ids in [from, to) ascending; `next` is the `from` of the next page. */
      handler(context) {
        const { from, to, limit } = context.input.query
        if (to !== undefined && to < from) return refuse(400, 'InvalidInput', 'query.to: is below query.from')
        const page = new PageBuilder<{ id: number; msg: string }, number>(limit)
        records(context).range(from, to, (id, msg) => page.add({ id, msg }, id))
        return { body: page.finish() }
      },
    }),
    [`${where}RawPost`]: endpoint({
      verb: 'POST',
      path: `/log/${where}/raw/{id}`,
      auth: writers,
      mode: 'readwrite',
      params: id,
      body: rawBody(),
      handler(context) {
        raws(context).put(context.params.id, context.input.body)
        return { status: 204 }
      },
    }),
    [`${where}RawGet`]: endpoint({
      verb: 'GET',
      path: `/log/${where}/raw/{id}`,
      auth: readers,
      mode: 'readonly',
      params: id,
      handler(context) {
        const value = raws(context).get(context.params.id)
        return value === undefined ? noSuchRecord : { bytes: value }
      },
    }),
  }
}

const history = v.strictObject({
  id: decimal(0),
  from: v.optional(decimal(1), '1'),
  to: v.optional(decimal(1)),
  limit: v.optional(decimal(1, HISTORY_ITEMS_MAX), String(HISTORY_ITEMS_MAX)),
})

/** What became of messages (CCF's logging sample: `historical`, `historical_receipt`, `historical/range`). */
function pastEndpoints<const Where extends 'private' | 'public'>(where: Where, readers: readonly AuthPolicy[]) {
  const table = where === 'public' ? 'public:records' : 'records'
  return {
    [`${where}Historical`]: historicalEndpoint({
      verb: 'GET',
      path: `/log/${where}/historical`,
      auth: readers,
      transaction: 'required',
      query: id,
      /** The message as of a transaction, whichever wrote it. */
      handler({ state, input }) {
        const { id } = input.query
        const then = state.table(table)
        const msg = then.get(u64.encode(id))
        return msg === undefined
          ? noSuchRecord
          : { body: { id, msg: text.decode(msg), seqno: then.versionOf(u64.encode(id)) } }
      },
    }),
    [`${where}HistoricalReceipt`]: historicalEndpoint({
      verb: 'GET',
      path: `/log/${where}/historical_receipt`,
      auth: readers,
      transaction: 'required',
      query: id,
      /** What the transaction itself wrote, with the receipt that proves it. */
      handler({ state, input }) {
        const { id } = input.query
        const write = state.written(table)?.writes.find(({ key }) => equalBytes(key, u64.encode(id)))
        return write === undefined
          ? noSuchRecord
          : { body: { id, msg: text.decode(write.value), receipt: state.receipt } }
      },
    }),
    [`${where}History`]: historicalEndpoint({
      verb: 'GET',
      path: `/log/${where}/history`,
      auth: readers,
      transaction: 'none',
      query: history,
      /** Every value that a message had, oldest first, null where it was deleted; `next` is the `from` of the next page. */
      handler({ history, input }) {
        const { id, from, limit, to = history.committedSeqno } = input.query
        const key = u64.encode(id)
        const seqnos = history.writesOf(table, key, { from, to, limit: limit + 1 })
        const page = new PageBuilder<{ transaction_id: string; msg: string | null }, number>(limit)
        for (const state of history.states(seqnos)) {
          const write = state.written(table)?.writes.find((candidate) => equalBytes(candidate.key, key))
          const item = {
            transaction_id: formatTxId(state.txId),
            msg: write === undefined ? null : text.decode(write.value),
          }
          if (!page.add(item, state.txId.seqno)) break
        }
        return { body: page.finish() }
      },
    }),
  }
}

export const logging = defineApp({
  name: 'logging',
  endpoints: {
    ...endpoints('private', ['user_cert']),
    ...endpoints('public', ['no_auth']),
    ...pastEndpoints('private', ['user_cert']),
    ...pastEndpoints('public', ['no_auth']),
  },
})
