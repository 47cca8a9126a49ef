// Every bound of the system, with its unit in its name. Relations between them are asserted at import, at the end.
import { invariant } from './errors.ts'

/** NATS' default maximum payload (headers included). */
export const NATS_PAYLOAD_BYTES_MAX = 1024 * 1024
/** Largest sealed frame (session or channel) put into one NATS message. */
export const FRAME_BYTES_MAX = 768 * 1024
/** Largest request body; larger is refused with RequestBodyTooLarge. CCF's default is 1 MB; ours must fit one NATS message. */
export const REQUEST_BODY_BYTES_MAX = 512 * 1024
/** Largest path with query of one request. */
export const REQUEST_PATH_BYTES_MAX = 8 * 1024
/** Requests in one session frame. */
export const FRAME_REQUESTS_MAX = 1024
/** Largest serialised ledger entry that may be replicated. */
export const ENTRY_BYTES_MAX = 700 * 1024
/** Entry bytes in one AppendEntries; a single larger entry travels alone. */
export const APPEND_BYTES_MAX = 256 * 1024
/** Entry bytes sent to one backup and not yet acknowledged. */
export const REPLICATION_WINDOW_BYTES_MAX = 16 * 1024 * 1024
/**
 * Entry bytes of the in-memory tail of the log; older committed entries are read back from the ledger files. A second or two under load: whatever is kept
 * longer than a collection of young objects takes is moved, and marked again and again, and a peer that lags further costs only reads.
 */
export const LOG_TAIL_BYTES_MAX = 4 * 1024 * 1024
/** Entry bytes of a ledger that wait to be written while an fsync runs; then the ledger fails as a full disk does, and the node leaves the service to the others. */
export const LEDGER_PENDING_BYTES_MAX = 64 * 1024 * 1024
/** Uncommitted transactions on the primary, then 503 TooManyPendingTransactions (CCF: consensus.max_uncommitted_tx_count). */
export const UNCOMMITTED_TX_MAX = 10_000
/** Client sessions of one node, then SessionCapExhausted (CCF: max_open_sessions_soft). */
export const SESSIONS_MAX = 1000
/** Handshakes of clients under way on one node, on top of its sessions; then the oldest makes room. A hello costs its sender nothing. */
export const HANDSHAKES_MAX = 256
/** Requests of one session that wait for an answer. */
export const SESSION_REQUESTS_PENDING_MAX = 8192
/** Frames a session accepts out of order before it treats them as replays. */
export const REPLAY_WINDOW_FRAMES = 1024
/** Frames sealed with one session or channel key before it must be renewed (far below AES-GCM's 2^32). */
export const FRAMES_PER_KEY_MAX = 2 ** 31
/** Frame contents a channel keeps for its peer while it has no keys; then the oldest are dropped, as a network may. */
export const CHANNEL_QUEUE_BYTES_MAX = 2 * 1024 * 1024
/** A chunk is closed at the first signature after this many bytes (CCF: ledger.chunk_size, 5 MB). */
export const LEDGER_CHUNK_BYTES = 5_000_000
/** Pending and Trusted nodes of a service: a reconfiguration writes every Trusted node's row into one entry. */
export const NODES_MAX = 128
/** One node's row in `nodes.info`, its key included. */
export const NODE_ROW_BYTES_MAX = 4096
/** Ledger secrets of a service: whoever joins gets all of them in one message. Then no further rekey is accepted. */
export const LEDGER_SECRETS_MAX = 4096
/** Nodes that one reconfiguration adds; more wait for the next. */
export const ADMISSIONS_MAX = 16
/** Nodes that were removed for good and to which a channel is kept, so that they can ask; then the longest gone are forgotten. */
export const REMOVED_PEERS_MAX = 16
/** Envelopes waiting in a node's mailbox; what arrives from NATS beyond is dropped. */
export const MAILBOX_MAX = 100_000
/** Items returned by one range scan of an application endpoint. */
export const RANGE_ITEMS_MAX = 1000
/** Verified ledger entries that a historian keeps for later requests (CCF: historical_cache_soft_limit, 512 MB). */
export const HISTORY_CACHE_BYTES_MAX = 64 * 1024 * 1024
/** Requests about the past that one node holds; more are refused with 503. */
export const HISTORY_QUERIES_MAX = 8192
/** Of those, the ones being worked on; the others wait their turn. */
export const HISTORY_QUERIES_ACTIVE_MAX = 32
/** Ledger entries that one of them may hold at a time; larger pages are refused. */
export const HISTORY_QUERY_BYTES_MAX = 8 * 1024 * 1024
/** Times that a historical handler is run for one request, each time with more of what it asked for. */
export const HISTORY_ROUNDS_MAX = 64
/** Entries being read from the ledger files for requests about the past. */
export const HISTORY_READS_MAX = 64
/** Ledger entries that one reading for the index of the past brings. */
export const INDEX_BATCH_BYTES_MAX = 128 * 1024
/** Rows that one write brings into the index of the past, unless one commit alone has more. */
export const INDEX_ROWS_WRITTEN_MAX = 2048
/** Rows of fresh commits that wait to be written; then the oldest are dropped, and read from the ledger when their turn comes. */
export const INDEX_ROWS_HANDED_MAX = 65_536
/** Snapshots that wait to be written or to be proven; while there are so many no other is begun (CCF: 5). */
export const SNAPSHOTS_PENDING_MAX = 5
/** Transactions between two snapshots, at least: one makes two transactions itself. CCF's default for their number is 10,000. */
export const SNAPSHOT_TX_COUNT_MIN = 10
export const SNAPSHOT_TX_COUNT = 10_000
/** Complete snapshots that a node keeps; older ones are removed once a newer one is durable. */
export const SNAPSHOTS_KEPT = 3
/** Largest snapshot that is made, or fetched from another node: it is held in memory while it is. */
export const SNAPSHOT_BYTES_MAX = 1024 * 1024 * 1024
/** Bytes of a snapshot in one message between nodes. */
export const SNAPSHOT_PIECE_BYTES = 256 * 1024
/** Rows, and bytes of them, that are read from the store at a time when a snapshot is made. */
export const SNAPSHOT_PART_ROWS = 2048
export const SNAPSHOT_PART_BYTES = 512 * 1024

invariant(SNAPSHOT_PIECE_BYTES + 4096 <= FRAME_BYTES_MAX, 'a piece of a snapshot must fit one frame')
invariant(FRAME_BYTES_MAX + 4096 <= NATS_PAYLOAD_BYTES_MAX, 'a frame must fit one NATS message')
invariant(ENTRY_BYTES_MAX + 4096 <= FRAME_BYTES_MAX, 'an entry must fit one frame')
invariant(
  REQUEST_BODY_BYTES_MAX + REQUEST_PATH_BYTES_MAX + 4096 <= ENTRY_BYTES_MAX,
  'a request must fit one frame and one entry',
)
invariant(
  NODES_MAX * (NODE_ROW_BYTES_MAX + 32) + ADMISSIONS_MAX * 4096 <= ENTRY_BYTES_MAX,
  'a reconfiguration of the largest service must fit one entry',
)
invariant(
  RANGE_ITEMS_MAX >= 1 && HISTORY_QUERY_BYTES_MAX >= 2 * ENTRY_BYTES_MAX,
  'a request about the past can hold an entry and its signature',
)
