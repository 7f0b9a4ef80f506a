package import GatewayCore
package import Logging
package import Store
import Synchronization
package import Telemetry
import Threads

/// The loop around the core: take, step, commit, answer.
///
/// Isolation: one thread of its own owns the gateway and writes; everybody else sends messages.
/// A commit that fails is tried again with the same unit until it succeeds or we stop: until then
/// nothing is acknowledged and no other step is taken, so memory and store never disagree.
package final class CoreLoop: Sendable {
    private enum Message: Sendable {
        case batch(PacketBatch, Reply<[Confirmation]?>)
        case command(Command, CheckedContinuation<Result<Answer, Problem>, Never>)
        case note(Occurrence)
        /// Nil for a gateway that cannot answer.
        case question(@Sendable (Gateway?) -> Void)
    }

    /// How often an idle core looks at the clock; a timer is at most this late.
    private static let idleMilliseconds = 50
    /// Open pages hear from us at least this often.
    private static let signOfLife = Duration.seconds(2)
    /// Between two tries of a commit that failed.
    private static let retryMilliseconds = 500

    private let mailbox = Mailbox<Message>(capacity: Limits.waitingCommandsMax)
    /// Closed on stop; nothing is ever sent.
    private let stopBell = Mailbox<Never>(capacity: 1)
    private let current = Mutex(CoreStatus())
    private let rebuilt = Mutex<[Confirmation]>([])
    /// Set when a commit is given up: memory is ahead of the store then, for good.
    private let hasGivenUp = Atomic(false)
    private let clock: @Sendable () -> Timestamp
    private let logger: Logger
    private let thread: Mutex<DedicatedThread?>
    package let changes = ChangeStream()

    /// `clock` gives the time at which steps are taken.
    package init(clock: @escaping @Sendable () -> Timestamp, logger: Logger) {
        self.clock = clock
        self.logger = logger
        thread = Mutex(nil)
    }

    package var status: CoreStatus { current.withLock { $0 } }

    /// Starts the thread; packets are taken at once, everything else when `recall` is through.
    ///
    /// Call once.
    package func start(
        _ gateway: Gateway,
        writer: Writer,
        recall: Recall? = nil,
        registry: [RegistryRow]
    ) {
        current.withLock { status in
            status.isRecalling = recall != nil
            status.now = gateway.now
            status.vehicles = gateway.vehicleCount
            status.liveAlerts = gateway.liveAlertCount
            status.liveSuggestions = gateway.liveSuggestionCount
            status.silentVehicles = gateway.silentCount
            status.missingPackets = gateway.missingPackets
            status.troubles = gateway.openTroubles
        }
        let started = DedicatedThread(name: "core") { [self] in
            run(gateway, writer, recall, registry)
        }
        thread.withLock { $0 = started }
    }

    /// From now on a commit that fails is given up instead of tried again.
    ///
    /// Its batch is abandoned, and no other step is taken: the store stays as the last good commit
    /// left it, and the broker delivers again to the next gateway.
    package func stopRetrying() {
        stopBell.close()
    }

    /// Takes no more, finishes what waits, and returns when the thread has ended.
    package func stop() {
        stopRetrying()
        mailbox.close()
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        running?.join()
        changes.finish()
    }

    // MARK: From other threads

    /// Hands a batch over and waits, without limit, until it is committed; nil when it never will
    /// be.
    ///
    /// For the net thread only: it blocks.
    package func deliver(_ batch: PacketBatch) -> [Confirmation]? {
        let reply = Reply<[Confirmation]?>()
        guard mailbox.send(.batch(batch, reply)) else { return nil }
        while true {
            if let answer = reply.receive(waitingMilliseconds: 1_000) { return answer }
        }
    }

    /// A person's decision; refused at once when too many wait.
    package func submit(_ command: Command) async -> Result<Answer, Problem> {
        if current.withLock({ $0.storeError }) != nil {
            return .failure(Problem(.storeUnavailable))
        }
        return await withCheckedContinuation { continuation in
            if !mailbox.send(.command(command, continuation)) {
                continuation.resume(returning: .failure(Problem(.overloaded)))
            }
        }
    }

    /// What vehicles may forget, rebuilt from the store after a start; empty before, and from the
    /// second time on.
    package func takeRebuilt() -> [Confirmation] {
        rebuilt.withLock { rebuilt in
            defer { rebuilt = [] }
            return rebuilt
        }
    }

    /// Puts on record what befell the gateway.
    package func note(_ occurrence: Occurrence) {
        _ = mailbox.send(.note(occurrence))
    }

    /// What the core's memory says at this moment; nil when too many wait.
    package func ask<Reply: Sendable>(
        _ question: @escaping @Sendable (Gateway) -> Reply
    ) async -> Reply? {
        await withCheckedContinuation { continuation in
            let isTaken = mailbox.send(
                .question { continuation.resume(returning: $0.map(question)) }
            )
            if !isTaken { continuation.resume(returning: nil) }
        }
    }

    // MARK: The thread

    private func run(
        _ gateway: Gateway,
        _ writer: Writer,
        _ recall: Recall?,
        _ registry: [RegistryRow]
    ) {
        var gateway = gateway
        var wanted: [VehicleID] = []
        if let recall { takePackets(&gateway, writer, recall, &wanted) }
        guard !gateway.isRecalling else { return }
        if !registry.isEmpty { _ = step(.registry(registry), &gateway, writer, &wanted) }
        var saidAliveAt = ContinuousClock.now
        while !mailbox.isFinished {
            if ContinuousClock.now - saidAliveAt > CoreLoop.signOfLife {
                saidAliveAt = ContinuousClock.now
                changes.publish(isChanged: false)
            }
            let message = mailbox.receive(waitingMilliseconds: CoreLoop.idleMilliseconds)
            if let message { take(message, &gateway, writer, &wanted) }
            // After each message too: questions in a row must not hold up what is due.
            if let due = gateway.nextDue, due <= clock() {
                _ = step(.tick, &gateway, writer, &wanted)
            } else if message == nil {
                makeRoom(writer)
            }
        }
    }

    private func take(
        _ message: Message,
        _ gateway: inout Gateway,
        _ writer: Writer,
        _ wanted: inout [VehicleID]
    ) {
        switch message {
        case .batch(let batch, let reply):
            let arrival = batch.packets.first?.receivedAt
            let unit = step(.packets(batch), &gateway, writer, &wanted, arrival)
            reply.send(unit?.confirmations.map { gateway.confirmation($0) })
        case .command(let command, let continuation):
            let unit = step(.command(command), &gateway, writer, &wanted)
            continuation.resume(
                returning: unit?.answer ?? .failure(Problem(.storeUnavailable))
            )
        case .note(let occurrence):
            _ = step(.command(.note(occurrence)), &gateway, writer, &wanted)
        case .question(let question): question(gateway)
        }
    }

    /// Takes packets, and between them the steps of a start; what else comes waits for the last one.
    private func takePackets(
        _ gateway: inout Gateway,
        _ writer: Writer,
        _ recall: Recall,
        _ wanted: inout [VehicleID]
    ) {
        let begun = ContinuousClock.now
        var recall = recall
        var waiting: [Message] = []
        while recallNext(&recall, &gateway), !stopBell.isFinished {
            // One batch at most, for it adds to what is to be recalled.
            while let message = mailbox.receive(waitingMilliseconds: 0) {
                if case .batch = message {
                    take(message, &gateway, writer, &wanted)
                    break
                } else if waiting.count < Limits.waitingCommandsMax {
                    waiting.append(message)
                } else {
                    refuse(message, .overloaded)
                }
            }
        }
        guard !gateway.isRecalling else { return refuseAll(waiting) }
        let confirmations = gateway.confirmations
        rebuilt.withLock { $0 = confirmations }
        current.withLock { $0.isRecalling = false }
        logger.info(
            "the rules know all that is stored",
            metadata: [
                "vehicles": "\(gateway.vehicleCount)",
                "seconds": "\(seconds(ContinuousClock.now - begun))",
            ]
        )
        if recall.unreadableCount > 0 {
            logger.warning(
                "checkpoints that are damaged or of another version: trends were learnt again",
                metadata: [
                    "vehicles": "\(recall.relearntCount)", "days": "\(Limits.relearningDaysMax)",
                    "vehicles.afresh": "\(recall.unreadableCount - recall.relearntCount)",
                ]
            )
        }
        _ = step(.tick, &gateway, writer, &wanted)
        for message in waiting { take(message, &gateway, writer, &wanted) }
    }

    /// Takes the next step of a start, again and again until what is stored can be read or we stop:
    /// meanwhile nothing is taken, so nothing is acknowledged.
    /// - Returns: whether there is another.
    private func recallNext(_ recall: inout Recall, _ gateway: inout Gateway) -> Bool {
        while true {
            do throws(StoreError) {
                let isMore = try recall.step(&gateway)
                if noteStoreError(nil) { logger.notice("what is stored can be read again") }
                return isMore
            } catch {
                if noteStoreError(error.description) {
                    logger.error(
                        "nothing is taken until what is stored can be read",
                        metadata: ["error": "\(error)"]
                    )
                }
                _ = stopBell.receive(waitingMilliseconds: CoreLoop.retryMilliseconds)
                if stopBell.isFinished { return true }
            }
        }
    }

    /// Notes why the store does not serve us; whether that is news.
    private func noteStoreError(_ storeError: String?) -> Bool {
        current.withLock { status in
            defer { status.storeError = storeError }
            return status.storeError != storeError
        }
    }

    /// Answers everybody who waits, and whoever still comes, until nobody can any more.
    private func refuseAll(_ waiting: [Message]) {
        for message in waiting { refuse(message, .storeUnavailable) }
        while !mailbox.isFinished {
            if let message = mailbox.receive(waitingMilliseconds: CoreLoop.idleMilliseconds) {
                refuse(message, .storeUnavailable)
            }
        }
    }

    private func refuse(_ message: Message, _ code: ProblemCode) {
        switch message {
        case .batch(_, let reply): reply.send(nil)
        case .command(_, let continuation): continuation.resume(returning: .failure(Problem(code)))
        case .note: break
        case .question(let question): question(nil)
        }
    }

    /// Steps and commits.
    ///
    /// Nil when we were stopped before the commit succeeded.
    private func step(
        _ input: Input,
        _ gateway: inout Gateway,
        _ writer: Writer,
        _ wanted: inout [VehicleID],
        _ firstReceivedAt: Timestamp? = nil
    ) -> CommitUnit? {
        guard !hasGivenUp.load(ordering: .relaxed) else { return nil }
        let begun = ContinuousClock.now
        // While the journal is recalled there is nothing to make checkpoints of, and then much.
        let next = gateway.isRecalling ? [] : wanted.prefix(2 * Limits.sealsPerCommitMax)
        let unit = gateway.step(input, now: clock(), checkpointing: Array(next))
        let started = ContinuousClock.now
        guard let receipt = commit(unit, writer) else { return nil }
        wanted.removeFirst(next.count)
        wanted += receipt.wanted
        let commitSeconds = seconds(ContinuousClock.now - started)
        let lag = firstReceivedAt.map { Double((clock() - $0).rawValue) / 1_000 }
        let isChanged = !unit.alerts.isEmpty || !unit.suggestions.isEmpty
        current.withLock { status in
            status.counts += unit.counts
            status.stored += receipt.stored
            status.duplicate += receipt.duplicate
            status.tooLate += receipt.tooLate
            if !unit.isEmpty {
                status.commits += 1
                status.commitSeconds.add(commitSeconds)
                status.stepSeconds.add(seconds(started - begun))
            }
            if let lag { status.lagSeconds.add(lag) }
            status.vehicles = gateway.vehicleCount
            status.liveAlerts = gateway.liveAlertCount
            // Neither is known while the journal is recalled.
            if !gateway.isRecalling {
                status.silentVehicles = gateway.silentCount
                status.missingPackets = gateway.missingPackets
            }
            if unit.counts.ignoredPackets > 0 { status.ignored = gateway.ignored }
            if !unit.troubles.isEmpty { status.troubles = gateway.openTroubles }
            status.now = gateway.now
            if isChanged { status.liveSuggestions = gateway.liveSuggestionCount }
        }
        if isChanged { changes.publish(isChanged: true) }
        makeRoom(writer)
        return unit
    }

    /// A small step between two commits; what fails is tried again, and said once.
    private func makeRoom(_ writer: Writer) {
        do throws(StoreError) {
            let damage = try writer.setAsideDamage()
            current.withLock { $0.damagedRows = damage.count }
            for row in damage.moved {
                logger.error(
                    "a damaged row was set aside; what it held is missing",
                    metadata: ["store.row": "\(row)"]
                )
            }
            guard try writer.makeRoom(now: clock()) else { return }
            let now = clock()
            current.withLock { status in
                status.retentionError = nil
                status.retentionAt = now
            }
        } catch {
            let isNew = current.withLock { status in
                defer { status.retentionError = error.description }
                return status.retentionError != error.description
            }
            guard isNew else { return }
            logger.warning("old readings cannot be moved", metadata: ["error": "\(error)"])
        }
    }

    private func commit(_ unit: CommitUnit, _ writer: Writer) -> CommitReceipt? {
        while true {
            do throws(StoreError) {
                let receipt = try writer.commit(unit)
                if noteStoreError(nil) { logger.notice("the store takes commits again") }
                return receipt
            } catch {
                // Trying again cannot help, and going on would lose what the unit holds. The process
                // ends unacknowledged; the next one restores from the store and gets it again.
                precondition(!error.isPermanent, "The schema refuses a unit: \(error)")
                if noteStoreError(error.description) {
                    logger.error(
                        "nothing is acknowledged until the store can write",
                        metadata: ["error": "\(error)"]
                    )
                }
                _ = stopBell.receive(waitingMilliseconds: CoreLoop.retryMilliseconds)
                guard stopBell.isFinished else { continue }
                hasGivenUp.store(true, ordering: .relaxed)
                return nil
            }
        }
    }

    private func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
}
