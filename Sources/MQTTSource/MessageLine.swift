import Glibc
package import Logging
import Synchronization
import Telemetry
import Threads

/// What a vehicle answered to an offer, as it came.
package struct VehicleReply: Sendable, Equatable {
    package var vehicle: String
    package var payload: [UInt8]
}

/// A line to vehicles' apps: messages out one by one, each until the broker has it, replies in.
///
/// A session of its own beside that of the readings, so that neither waits for the other.
///
/// Isolation: one thread of its own works; the rest is for others.
package final class MessageLine: Sendable {
    private struct Outgoing: Sendable {
        var topic: String
        var payload: [UInt8]
        var isRetained: Bool
        var taken: CheckedContinuation<Bool, Never>
    }

    private static let filter = "vehicles/+/reply"
    /// How long a broker may take to acknowledge one message.
    private static let patience = Duration.seconds(10)

    private let address: BrokerAddress
    private let logger: Logger
    private let outgoing = Mailbox<Outgoing>(capacity: Limits.waitingCommandsMax)
    private let wake = WakeDescriptor()
    private let thread = Mutex<DedicatedThread?>(nil)

    package init(_ address: BrokerAddress, logger: Logger) {
        self.address = address
        self.logger = logger
    }

    /// Publishes at QoS 1.
    /// - Returns: whether the broker has taken it.
    package func publish(_ topic: String, _ payload: String, isRetained: Bool) async -> Bool {
        await withCheckedContinuation { continuation in
            let isTaken = outgoing.send(
                Outgoing(
                    topic: topic,
                    payload: Array(payload.utf8),
                    isRetained: isRetained,
                    taken: continuation
                )
            )
            if isTaken { wake.wake() } else { continuation.resume(returning: false) }
        }
    }

    /// Starts the thread; `handle` blocks it until a reply is dealt with, and only then the reply is
    /// acknowledged.
    ///
    /// Call once.
    package func start(handle: @escaping @Sendable (VehicleReply) -> Void) {
        let started = DedicatedThread(name: "messages") { [self] in run(handle) }
        thread.withLock { $0 = started }
    }

    /// Takes no more; what waits is refused.
    package func close() {
        outgoing.close()
        wake.wake()
    }

    /// Closes, and returns when the thread has ended.
    package func stop() {
        close()
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        running?.join()
    }

    private func run(_ handle: (VehicleReply) -> Void) {
        let session: BrokerSession
        do throws(BrokerError) {
            session = try BrokerSession(address, tellsPublishes: true)
        } catch {
            logger.warning("messages: \(error.description)")
            return refuseAll()
        }
        let box = ReplyBox()
        session.onPublish { publish in
            let topic = unsafe String(decoding: publish.topic, as: UTF8.self).split(separator: "/")
            guard topic.count == 3, !publish.isRetained else { return }
            box.replies.append(
                unsafe VehicleReply(vehicle: String(topic[1]), payload: Array(publish.payload))
            )
        }
        var backoff = Backoff()
        var generator = SystemRandomNumberGenerator()
        while !outgoing.isFinished {
            do throws(BrokerError) {
                try session.connect()
                try serve(session, box, &backoff, handle)
            } catch {
                logger.debug("messages: \(error.description)")
            }
            box.replies.removeAll()
            refuseWaiting()
            guard !outgoing.isFinished else { break }
            var entry = pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&entry, 1, Int32(backoff.delayMilliseconds(using: &generator)))
        }
        refuseAll()
    }

    /// Holds what the callback got: a reference, because C keeps the callback.
    private final class ReplyBox {
        var replies: [VehicleReply] = []
    }

    private func serve(
        _ session: BrokerSession,
        _ box: ReplyBox,
        _ backoff: inout Backoff,
        _ handle: (VehicleReply) -> Void
    ) throws(BrokerError) {
        var isWelcome = false
        var inFlight: (taken: CheckedContinuation<Bool, Never>, since: ContinuousClock.Instant)?
        defer { inFlight?.taken.resume(returning: false) }
        var keptAliveAt = ContinuousClock.now
        while !outgoing.isFinished {
            let ready = session.wait(milliseconds: 100, wake: wake.descriptor)
            if ready.isWoken { wake.drain() }
            if ready.isReadable, session.read(until: { !box.replies.isEmpty }) == .lost { return }
            if try session.takeConnectResult() != nil {
                try session.subscribe(MessageLine.filter)
                isWelcome = true
                backoff.reset()
            }
            if let code = session.takePublishCodes().last, let sent = inFlight {
                sent.taken.resume(returning: code < 0x80)
                inFlight = nil
            }
            if let sent = inFlight, ContinuousClock.now - sent.since > MessageLine.patience {
                return
            }
            for reply in box.replies { handle(reply) }
            box.replies.removeAll()
            if isWelcome, inFlight == nil, let next = outgoing.receive(waitingMilliseconds: 0) {
                inFlight = (next.taken, ContinuousClock.now)
                try session.publish(
                    next.topic,
                    next.payload,
                    qos: 1,
                    isRetained: next.isRetained
                )
            }
            if ContinuousClock.now - keptAliveAt > .seconds(5) {
                keptAliveAt = ContinuousClock.now
                if !session.keepAlive() { return }
            }
            if !session.flush() { return }
        }
        session.disconnect()
        _ = session.flush()
    }

    /// Whoever waits is told at once that there is no line.
    private func refuseWaiting() {
        while let waiting = outgoing.receive(waitingMilliseconds: 0) {
            waiting.taken.resume(returning: false)
        }
    }

    private func refuseAll() {
        while !outgoing.isFinished {
            if let waiting = outgoing.receive(waitingMilliseconds: 100) {
                waiting.taken.resume(returning: false)
            }
        }
        refuseWaiting()
    }
}
