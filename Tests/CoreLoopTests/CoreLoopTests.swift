import CoreLoop
import GRDB
import GatewayCore
import Logging
import Support
import Synchronization
import Telemetry
import Testing
import Threads

@testable import Store

/// The loop against a store that cannot write for a while.
@Suite(.serialized)
struct CoreLoopTests {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
    }

    private func start(
        isReadable: Bool = true,
        clock: @escaping @Sendable () -> Timestamp = { Fixtures.start }
    ) throws -> (CoreLoop, GatewayStore) {
        let assembly = try Fixtures.assembly()
        let store = try GatewayStore(path: folder.path("a.sqlite"), durability: .full)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let core = CoreLoop(clock: clock, logger: logger)
        let (gateway, recall) = try assembly.start(store, writer, now: Fixtures.start)
        if !isReadable { try rename("checkpoint", to: "elsewhere", store) }
        core.start(gateway, writer: writer, recall: recall, registry: [])
        return (core, store)
    }

    private func rename(_ table: String, to other: String, _ store: GatewayStore) throws {
        try store.pool.write { try $0.execute(sql: "ALTER TABLE \(table) RENAME TO \(other)") }
    }

    private let packet = Fixtures.batch([
        Fixtures.packet("v1", sequence: 1, at: Fixtures.start, ["Vehicle.Speed": 1])
    ])

    /// Another process holds the write lock: as good as a full disk, and it can be taken back.
    private func lock() throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let queue = try DatabaseQueue(
            path: folder.path("a.sqlite"),
            configuration: configuration
        )
        try queue.inDatabase { try $0.execute(sql: "BEGIN IMMEDIATE") }
        return queue
    }

    private func count(_ store: GatewayStore) throws -> Int {
        try store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM journal") } ?? 0
    }

    private func deliver(_ core: CoreLoop) -> (Reply<Bool>, DedicatedThread) {
        let reply = Reply<Bool>()
        let packet = packet
        let thread = DedicatedThread(name: "deliver") {
            reply.send(core.deliver(packet) != nil)
        }
        return (reply, thread)
    }

    @Test func aFailedCommitIsNotAnsweredUntilItSucceeds() async throws {
        let (core, store) = try start()
        let blocker = try lock()
        let (reply, thread) = deliver(core)
        _ = try await eventually("a store error") { core.status.storeError }
        #expect(reply.receive(waitingMilliseconds: 200) == nil)
        let refused = await core.submit(
            .suggestion(.init(rawValue: 1), version: 1, .book(.held), by: Actor("a"))
        )
        #expect(refused == .failure(Problem(.storeUnavailable)))
        try blocker.inDatabase { try $0.execute(sql: "ROLLBACK") }
        #expect(reply.receive(waitingMilliseconds: 20_000) == true)
        thread.join()
        #expect(core.status.storeError == nil && core.status.stored == 1)
        core.stop()
        #expect(try count(store) == 1)
    }

    /// Stopped while the store fails: the batch is abandoned, so it is never acknowledged.
    @Test func aStopGivesUpWhatCannotBeStored() async throws {
        let (core, store) = try start()
        let blocker = try lock()
        let (reply, thread) = deliver(core)
        _ = try await eventually("a store error") { core.status.storeError }
        core.stopRetrying()
        #expect(reply.receive(waitingMilliseconds: 20_000) == false)
        thread.join()
        try blocker.inDatabase { try $0.execute(sql: "ROLLBACK") }
        // The core's memory is ahead of the store now: nothing more may be stored.
        let (second, other) = deliver(core)
        #expect(second.receive(waitingMilliseconds: 20_000) == false)
        other.join()
        core.stop()
        #expect(try count(store) == 0)
    }

    /// A clock that reaches the next due time while questions are being asked.
    private final class QuestionedClock: Sendable {
        private let asked = Mutex(0)

        var now: Timestamp {
            asked.withLock { $0 < 100 ? Fixtures.start : Fixtures.start + Limits.holdMilliseconds }
        }

        func note() {
            asked.withLock { $0 += 1 }
        }
    }

    /// Questions that never pause hold up nothing that is due.
    @Test func whatIsDueHappensBetweenQuestions() async throws {
        let clock = QuestionedClock()
        let (core, _) = try start(clock: { clock.now })
        let (reply, thread) = deliver(core)
        #expect(reply.receive(waitingMilliseconds: 20_000) == true)
        thread.join()
        let isUsed = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<500 {
                        let runs = await core.ask { gateway in
                            clock.note()
                            return gateway.lastRuns
                        }
                        if runs?.contains(where: { $0.job == "readings" && $0.at != nil }) == true {
                            return true
                        }
                    }
                    return false
                }
            }
            return await group.allSatisfy { $0 }
        }
        #expect(isUsed)
        core.stop()
    }

    // MARK: Starting

    private let question: Command = .suggestion(
        .init(rawValue: 1),
        version: 1,
        .book(.held),
        by: Actor("a")
    )

    /// Nothing is taken while what is stored cannot be read; then everything is, in its turn.
    @Test func whatCannotBeReadHoldsUpEverything() async throws {
        let (core, store) = try start(isReadable: false)
        let (reply, thread) = deliver(core)
        _ = try await eventually("a store error") { core.status.storeError }
        #expect(core.status.isRecalling)
        #expect(reply.receive(waitingMilliseconds: 100) == nil)
        #expect(await core.submit(question) == .failure(Problem(.storeUnavailable)))
        try rename("elsewhere", to: "checkpoint", store)
        #expect(reply.receive(waitingMilliseconds: 20_000) == true)
        thread.join()
        #expect(await core.submit(question) == .failure(Problem(.notFound)))
        #expect(!core.status.isRecalling && core.status.storeError == nil)
        core.stop()
        #expect(try count(store) == 1)
    }

    /// A commit given up during a start stays given up, although what is stored can be read.
    @Test func aStartThatGaveUpACommitStoresNothingMore() async throws {
        let (core, store) = try start(isReadable: false)
        let (reply, thread) = deliver(core)
        _ = try await eventually("a store error") { core.status.storeError }
        #expect(reply.receive(waitingMilliseconds: 100) == nil)
        try await store.pool.write {
            try $0.execute(sql: "ALTER TABLE core_time RENAME TO core_time_elsewhere")
            try $0.execute(sql: "ALTER TABLE elsewhere RENAME TO checkpoint")
        }
        _ = try await eventually("a commit that fails") {
            core.status.storeError?.contains("core_time") == true ? true : nil
        }
        core.stopRetrying()
        #expect(reply.receive(waitingMilliseconds: 20_000) == false)
        thread.join()
        try rename("core_time_elsewhere", to: "core_time", store)
        let (second, other) = deliver(core)
        #expect(second.receive(waitingMilliseconds: 20_000) == false)
        other.join()
        core.stop()
        #expect(try count(store) == 0)
    }

    /// Stopped before the end of a start: whoever waits is answered, and nothing is acknowledged.
    @Test func aStopDuringAStartAnswersEverybody() async throws {
        let (core, store) = try start(isReadable: false)
        _ = try await eventually("a store error") { core.status.storeError }
        let (reply, thread) = deliver(core)
        async let vehicles = core.ask { $0.vehicleCount }
        core.stopRetrying()
        #expect(reply.receive(waitingMilliseconds: 20_000) == false)
        thread.join()
        core.stop()
        #expect(await vehicles == nil)
        #expect(try count(store) == 0)
    }
}
