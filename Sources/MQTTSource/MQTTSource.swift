package import GatewayCore
import Glibc
package import Logging
import Synchronization
package import Telemetry
import Threads

/// What the core did with a batch.
package enum BatchOutcome: Sendable {
    /// Stored: acknowledge, and tell the vehicles.
    case committed([Confirmation])
    /// Not stored, and it never will be by us: do not acknowledge; the broker delivers again.
    case abandoned
}

/// The broker session's state, for health and metrics.
package struct SourceStatus: Sendable, Equatable {
    package var isConnected = false
    package var connections = 0
    package var reconnects = 0
    package var lostSessions = 0
    /// When the broker was last found to have lost our session.
    package var sessionLostAt: Timestamp?
    package var lastError: String?
}

/// Packets from a broker, batch by batch; each batch is acknowledged after it was committed.
///
/// Isolation: everything runs on the thread that calls `run`; `stop` and `status` are for others.
package final class MQTTSource: Sendable {
    /// What vehicles that speak our own format publish to.
    ///
    /// Plain durable subscriptions: shared ones are not kept over a restart of the broker.
    package static let native = ["vehicles/+/telemetry", "vehicles/+/profile"]

    private let address: BrokerAddress
    private let filters: [String]
    private let logger: Logger
    private let clock: @Sendable () -> Timestamp
    private let wake = WakeDescriptor()
    private let stopping = Atomic<Bool>(false)
    private let current = Mutex(SourceStatus())

    /// `clock` gives the time a packet is stamped with when it is read.
    package init(
        _ address: BrokerAddress,
        filters: [String] = native,
        logger: Logger,
        clock: @escaping @Sendable () -> Timestamp
    ) {
        self.address = address
        self.filters = filters
        self.logger = logger
        self.clock = clock
    }

    package var status: SourceStatus { current.withLock { $0 } }

    /// Ends `run` after the batch in hand is committed and acknowledged.
    package func stop() {
        stopping.store(true, ordering: .releasing)
        wake.wake()
    }

    private var isStopping: Bool { stopping.load(ordering: .acquiring) }

    /// Reads until stopped.
    ///
    /// `confirmations` is asked for more again and again, and what it gives is published;
    /// `expectsSession` says that there was
    /// a session before this process; `deliver` blocks until the batch is committed or abandoned;
    /// `onSessionLost` is told that the broker holds no session where there should be one.
    package func run(
        confirmations: () -> [Confirmation],
        expectsSession: Bool = false,
        onSessionLost: @escaping () -> Void = {},
        deliver: (PacketBatch) -> BatchOutcome
    ) {
        let session: BrokerSession
        do throws(BrokerError) {
            session = try BrokerSession(address)
        } catch {
            note(error)
            return
        }
        var batch = PacketBatch()
        let arena = ArenaBox()
        let clock = clock
        session.onPublish { publish in
            unsafe arena.batch.append(
                topic: publish.topic,
                payload: publish.payload,
                receivedAt: clock(),
                isRetained: publish.isRetained,
                identifier: publish.identifier,
                isRedelivered: publish.isRedelivered
            )
        }
        var backoff = Backoff()
        var generator = SystemRandomNumberGenerator()
        var expectsSession = expectsSession
        while !isStopping {
            do throws(BrokerError) {
                try session.connect()
                try serve(session, arena, &batch, confirmations, &backoff, deliver) { isPresent in
                    if expectsSession, !isPresent { onSessionLost() }
                    defer { expectsSession = true }
                    return expectsSession && !isPresent
                }
            } catch {
                note(error)
            }
            let wasConnected = current.withLock { status in
                defer { status.isConnected = false }
                return status.isConnected
            }
            arena.batch.removeAll()
            guard !isStopping else { break }
            let delay = backoff.delayMilliseconds(using: &generator)
            if wasConnected {
                logger.warning("connection to the broker lost", metadata: ["retry.ms": "\(delay)"])
            }
            var entry = pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&entry, 1, Int32(delay))
            current.withLock { $0.reconnects += 1 }
        }
        logger.info("broker session closed")
    }

    /// Holds the batch that the callback fills: a reference, because C keeps the callback.
    private final class ArenaBox {
        var batch = PacketBatch()
    }

    /// One connection: read, commit, acknowledge, again and again, until it ends or we stop.
    ///
    /// Between the first read of a batch and its commit nothing may be written.
    private func serve(
        _ session: BrokerSession,
        _ arena: ArenaBox,
        _ batch: inout PacketBatch,
        _ rebuilt: () -> [Confirmation],
        _ backoff: inout Backoff,
        _ deliver: (PacketBatch) -> BatchOutcome,
        _ isSessionLost: (Bool) -> Bool
    ) throws(BrokerError) {
        var keptAliveAt = ContinuousClock.now
        var isWelcome = false
        let packetsMax = address.receiveMaximum
        while true {
            let ready = session.wait(milliseconds: 100, wake: wake.descriptor)
            if ready.isWoken { wake.drain() }
            // The batch is empty here, so whatever is queued may leave.
            if ready.isWritable, !session.flush() { return }
            var isLost = false
            if ready.isReadable, !isStopping {
                isLost =
                    session.read(until: { arena.batch.isFull(packetsMax: packetsMax) }) == .lost
            }
            if let isSessionPresent = try session.takeConnectResult() {
                try welcome(
                    session,
                    isSessionPresent: isSessionPresent,
                    isSessionLost: isSessionLost(isSessionPresent)
                )
                backoff.reset()
                isWelcome = true
            }
            if session.isSubscriptionRefused {
                throw BrokerError(
                    what: "the broker refuses our subscription: check its ACL",
                    code: 0
                )
            }
            if !arena.batch.isEmpty {
                swap(&batch, &arena.batch)
                defer { batch.removeAll() }
                switch deliver(batch) {
                case .committed(var confirmations):
                    // What is rebuilt is older than what the batch has brought.
                    var older = rebuilt()
                    publish(&older, session)
                    publish(&confirmations, session)
                case .abandoned: return
                }
            }
            if isLost { return }
            if isWelcome {
                var confirmations = rebuilt()
                publish(&confirmations, session)
            }
            guard !isStopping else {
                session.disconnect()
                _ = session.flush()
                return
            }
            let now = ContinuousClock.now
            if now - keptAliveAt > .seconds(5) {
                keptAliveAt = now
                // After reading, so that a PINGRESP that waited during a commit is seen.
                if !session.keepAlive() { return }
            }
            if !session.flush() { return }
        }
    }

    private func welcome(
        _ session: BrokerSession,
        isSessionPresent: Bool,
        isSessionLost: Bool
    ) throws(BrokerError) {
        // Always: a broker that lost the session has lost the subscription too.
        for filter in filters { try session.subscribe(filter) }
        current.withLock { status in
            status.isConnected = true
            status.lastError = nil
            status.connections += 1
            guard isSessionLost else { return }
            status.lostSessions += 1
            status.sessionLostAt = clock()
        }
        logger.info(
            "connected to the broker",
            metadata: [
                "broker": "\(address.host):\(address.port)",
                "mqtt.session_present": "\(isSessionPresent)",
            ]
        )
        if isSessionLost {
            // Vehicles that keep their readings until these are confirmed send them again.
            logger.error("the broker has lost our session, and the packets it held for us")
        }
    }

    /// Queues what vehicles may forget; QoS 0, because the next confirmation says it again.
    private func publish(_ confirmations: inout [Confirmation], _ session: BrokerSession) {
        for confirmation in confirmations {
            try? session.publish(
                MQTTSource.topic(of: confirmation),
                Array(MQTTSource.payload(of: confirmation).utf8),
                qos: 0
            )
        }
        confirmations.removeAll()
    }

    /// Where a vehicle hears what it may forget.
    package static func topic(of confirmation: Confirmation) -> String {
        "vehicles/\(confirmation.vehicle)/committed"
    }

    package static func payload(of confirmation: Confirmation) -> String {
        "{\"boot\":\(json(confirmation.boot)),\"seq\":\(confirmation.sequence)}"
    }

    private func note(_ error: BrokerError) {
        let isNew = current.withLock { status in
            defer { status.lastError = error.description }
            return status.lastError != error.description
        }
        if isNew { logger.warning("broker: \(error.description)") }
    }
}

/// A text as a JSON string.
package func json(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in
        byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }
    if isPlain { return "\"\(text)\"" }
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\u{0}"..<"\u{20}":
            let digits = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
