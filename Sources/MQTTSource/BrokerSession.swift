import CMosquitto
import Glibc

/// How a broker is reached.
package struct BrokerAddress: Sendable {
    package var host: String
    package var port: Int
    package var clientID: String
    package var username: String
    package var password: String
    /// PEM files; without an authority's file the connection is plain TCP.
    package var caFile: String
    package var certificateFile: String
    package var keyFile: String
    package var keepaliveSeconds: Int
    package var receiveMaximum: Int
    /// MQTT 5, with a session that lives so long after the connection, to learn why something is
    /// refused; nil: MQTT 3.1.1, with a session as long as the broker's settings let it live.
    package var version5SessionSeconds: UInt32?

    package init(
        host: String,
        port: Int,
        clientID: String,
        username: String = "",
        password: String = "",
        caFile: String = "",
        certificateFile: String = "",
        keyFile: String = "",
        keepaliveSeconds: Int = 60,
        receiveMaximum: Int,
        version5SessionSeconds: UInt32? = nil
    ) {
        self.host = host
        self.port = port
        self.clientID = clientID
        self.username = username
        self.password = password
        self.caFile = caFile
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.keepaliveSeconds = keepaliveSeconds
        self.receiveMaximum = receiveMaximum
        self.version5SessionSeconds = version5SessionSeconds
    }
}

/// What went wrong between us and the broker.
package struct BrokerError: Error, CustomStringConvertible {
    package var what: String
    /// libmosquitto's code, 0 when there is none.
    package var code: Int32

    package init(what: String, code: Int32) {
        self.what = what
        self.code = code
    }

    package var description: String {
        guard code != 0 else { return what }
        return unsafe "\(what): \(String(cString: mosquitto_strerror(code)))"
    }
}

/// A publish as libmosquitto hands it over: valid only during the call.
@safe package struct IncomingPublish {
    /// Without copying; dies when the handler returns.
    package let topic: UnsafeRawBufferPointer
    package let payload: UnsafeRawBufferPointer
    package let isRetained: Bool
    /// The broker's number for it until it is acknowledged; 0 at QoS 0.
    package let identifier: UInt16
    /// Whether the broker says that it delivers it again (DUP).
    package let isRedelivered: Bool
}

/// One MQTT session of libmosquitto, driven by the thread that made it.
///
/// libmosquitto queues a PUBACK before it calls us and, in threaded mode without its own thread,
/// writes nothing until `flush`: so an acknowledgement leaves only when we say so, after the
/// commit. Source: `lib/packet_mosq.c` of 2.0.11 (`packet__queue`), and the test that asserts it
/// with a fake broker. Never call `mosquitto_loop` or `mosquitto_loop_start` on it.
///
/// DUP is not part of what libmosquitto hands over; its log has it (`lib/handle_publish.c` of 2.0.11),
/// and another test asserts that. What a broker delivers again comes before anything new (MQTT 3.1.1
/// §4.6), so we listen to the log until the first message without DUP.
///
/// Isolation: one thread. Not Sendable on purpose: it owns a C handle.
@safe package final class BrokerSession {
    /// What the callbacks saw since the last look.
    private final class Inbox {
        var events = 0
        var connectCode: Int32?
        var isSessionPresent = false
        var isRefused = false
        /// Whether the message that comes next has DUP.
        var isRedelivered = false
        var publishCodes: [Int32] = []
        var publish: (IncomingPublish) -> Void = { _ in }

        /// The inbox behind the pointer that libmosquitto hands back.
        static func from(_ context: UnsafeMutableRawPointer?) -> Inbox? {
            guard let context = unsafe context else { return nil }
            return unsafe Unmanaged<Inbox>.fromOpaque(context).takeUnretainedValue()
        }
    }

    private let handle: OpaquePointer
    private let inbox = Inbox()
    private let address: BrokerAddress

    /// `tellsPublishes`: whether `takePublishCodes` is to hold the answers to our publishes; who
    /// asks for them must take them.
    package init(
        _ address: BrokerAddress,
        tellsPublishes: Bool = false
    ) throws(BrokerError) {
        self.address = address
        mosquitto_lib_init()
        let context = unsafe Unmanaged.passUnretained(inbox).toOpaque()
        guard let handle = unsafe mosquitto_new(address.clientID, false, context) else {
            throw BrokerError(what: "no MQTT client could be made", code: 0)
        }
        unsafe self.handle = handle
        // 3.1.1 for the session that matters: libmosquitto 2.0.11 ends the process by an assertion
        // when a broker sends a property it does not know (decision 0007).
        if address.version5SessionSeconds != nil {
            unsafe mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5)
            unsafe mosquitto_int_option(
                handle,
                MOSQ_OPT_RECEIVE_MAXIMUM,
                Int32(address.receiveMaximum)
            )
        }
        // Only who asks takes the answers; for others they would pile up.
        if tellsPublishes || address.version5SessionSeconds != nil {
            unsafe mosquitto_publish_v5_callback_set(handle) { _, context, _, code, _ in
                guard let inbox = unsafe Inbox.from(context) else { return }
                inbox.events += 1
                inbox.publishCodes.append(code)
            }
        }
        // Threaded, but without a thread: nothing is written unless we call `loop_write`.
        unsafe mosquitto_threaded_set(handle, true)
        if !address.username.isEmpty {
            unsafe mosquitto_username_pw_set(handle, address.username, address.password)
        }
        if !address.caFile.isEmpty {
            let hasCertificate = !address.certificateFile.isEmpty
            try check(
                unsafe mosquitto_tls_set(
                    handle,
                    address.caFile,
                    nil,
                    hasCertificate ? address.certificateFile : nil,
                    hasCertificate ? address.keyFile : nil,
                    nil
                ),
                "TLS with \(address.caFile)"
            )
        }
        unsafe mosquitto_connect_v5_callback_set(handle) { _, context, code, flags, _ in
            guard let inbox = unsafe Inbox.from(context) else { return }
            inbox.events += 1
            inbox.connectCode = code
            inbox.isSessionPresent = flags & 1 == 1
        }
        unsafe mosquitto_subscribe_v5_callback_set(handle) { _, context, _, count, granted, _ in
            guard let inbox = unsafe Inbox.from(context) else { return }
            inbox.events += 1
            for index in 0..<Int(count) {
                // MQTT §3.9.3: from 0x80 on the subscription was refused.
                if let code = unsafe granted?[index], code >= 0x80 { inbox.isRefused = true }
            }
        }
        unsafe mosquitto_message_v5_callback_set(handle) { client, context, message, _ in
            guard let inbox = unsafe Inbox.from(context) else { return }
            inbox.events += 1
            let isRedelivered = inbox.isRedelivered
            inbox.isRedelivered = false
            if !isRedelivered { unsafe mosquitto_log_callback_set(client, nil) }
            guard let message = unsafe message?.pointee, let topic = unsafe message.topic else {
                return
            }
            unsafe inbox.publish(
                IncomingPublish(
                    topic: UnsafeRawBufferPointer(start: topic, count: strlen(topic)),
                    payload: UnsafeRawBufferPointer(
                        start: message.payload,
                        count: Int(message.payloadlen)
                    ),
                    isRetained: message.retain,
                    identifier: UInt16(truncatingIfNeeded: message.mid),
                    isRedelivered: isRedelivered
                )
            )
        }
    }

    deinit {
        // Destroying drops queued acknowledgements: what was not committed is delivered again.
        unsafe mosquitto_destroy(handle)
    }

    package func onPublish(_ handler: @escaping (IncomingPublish) -> Void) {
        inbox.publish = handler
    }

    // MARK: Connection

    /// Opens the TCP connection (blocking) and queues CONNECT; acknowledgements queued for an
    /// earlier connection are dropped.
    package func connect() throws(BrokerError) {
        inbox.connectCode = nil
        inbox.isRefused = false
        listenForRedelivery()
        var properties: OpaquePointer?
        if let seconds = address.version5SessionSeconds {
            unsafe mosquitto_property_add_int32(
                &properties,
                Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue),
                seconds
            )
        }
        defer { unsafe mosquitto_property_free_all(&properties) }
        let code = unsafe mosquitto_connect_bind_v5(
            handle,
            address.host,
            Int32(address.port),
            Int32(address.keepaliveSeconds),
            nil,
            properties
        )
        guard code == MOSQ_ERR_SUCCESS.rawValue else {
            throw BrokerError(
                what: "\(address.host):\(address.port) cannot be reached",
                code: code
            )
        }
    }

    private func listenForRedelivery() {
        inbox.isRedelivered = false
        unsafe mosquitto_log_callback_set(handle) { _, context, _, text in
            guard let inbox = unsafe Inbox.from(context), let text = unsafe text,
                unsafe strstr(text, " received PUBLISH (d1,") != nil
            else { return }
            inbox.isRedelivered = true
        }
    }

    /// Whether the broker still has our session, once it has answered CONNECT; nil until then.
    package func takeConnectResult() throws(BrokerError) -> Bool? {
        guard let code = inbox.connectCode else { return nil }
        inbox.connectCode = nil
        guard code == 0 else {
            let isVersion5 = address.version5SessionSeconds != nil
            let reason =
                unsafe isVersion5
                ? String(cString: mosquitto_reason_string(code))
                : String(cString: mosquitto_connack_string(code))
            throw BrokerError(what: "the broker refuses us: \(reason)", code: 0)
        }
        return inbox.isSessionPresent
    }

    /// What the broker answered to our publishes since the last look: 0 taken, 0x10 taken but
    /// nobody listens, from 0x80 on refused (MQTT 5 §3.4.2.1); in a session of 3.1.1 an answer is
    /// always 0, and there is one only where it was asked for.
    package func takePublishCodes() -> [Int32] {
        defer { inbox.publishCodes.removeAll() }
        return inbox.publishCodes
    }

    /// The broker refused a subscription: nothing will ever come.
    package var isSubscriptionRefused: Bool { inbox.isRefused }

    /// Queues a subscription at QoS 1.
    ///
    /// QoS 2 would be acknowledged before we see the message.
    package func subscribe(_ filter: String) throws(BrokerError) {
        try check(unsafe mosquitto_subscribe(handle, nil, filter, 1), "subscribe to \(filter)")
    }

    /// Queues a publish; the broker keeps a retained one for new subscribers, until an empty one.
    package func publish(
        _ topic: String,
        _ payload: [UInt8],
        qos: Int32,
        isRetained: Bool = false
    ) throws(BrokerError) {
        try check(
            unsafe mosquitto_publish(
                handle,
                nil,
                topic,
                Int32(payload.count),
                payload,
                qos,
                isRetained
            ),
            "publish to \(topic)"
        )
    }

    package func disconnect() {
        _ = unsafe mosquitto_disconnect(handle)
    }

    // MARK: Loop

    /// Waits until there is something to read, a wake or, unless `isReading` only, room to write
    /// what is queued.
    package func wait(
        milliseconds: Int32,
        wake: Int32,
        isReading: Bool = false
    ) -> (isReadable: Bool, isWritable: Bool, isWoken: Bool) {
        let socket = unsafe mosquitto_socket(handle)
        let wantsWrite = unsafe !isReading && mosquitto_want_write(handle)
        var entries = [
            pollfd(
                fd: socket,
                events: Int16(POLLIN) | (wantsWrite ? Int16(POLLOUT) : 0),
                revents: 0
            ),
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
        ]
        _ = unsafe poll(&entries, 2, milliseconds)
        return (
            entries[0].revents & ~Int16(POLLOUT) != 0, entries[0].revents & Int16(POLLOUT) != 0,
            entries[1].revents != 0
        )
    }

    package enum ReadResult: Sendable, Equatable {
        /// Nothing more to read now.
        case drained
        /// `isFull` said so.
        case full
        /// The connection is gone; what was read before is still good.
        case lost
    }

    /// Reads packets until none is left or `isFull`.
    ///
    /// Writes nothing.
    package func read(until isFull: () -> Bool) -> ReadResult {
        while !isFull() {
            inbox.events = 0
            errno = 0
            let code = unsafe mosquitto_loop_read(handle, 1)
            let readErrno = errno
            let socket = unsafe mosquitto_socket(handle)
            if code != MOSQ_ERR_SUCCESS.rawValue || socket < 0 { return .lost }
            // libmosquitto leaves EAGAIN behind even after a good read once its own wake pipe is
            // full, so only "no callback and EAGAIN" means drained.
            if inbox.events == 0, readErrno == EAGAIN || readErrno == 0 { return .drained }
        }
        return .full
    }

    /// Keepalive: queues a PINGREQ when due.
    ///
    /// False when the connection is gone.
    package func keepAlive() -> Bool {
        unsafe mosquitto_loop_misc(handle) == MOSQ_ERR_SUCCESS.rawValue
    }

    /// Writes everything queued: acknowledgements, subscriptions, publishes.
    ///
    /// Call it only when every packet read so far is committed.
    ///
    /// A broker that hung up is not written to: a failed write would close the socket and with it
    /// packets that lie unread in it.
    /// - Returns: false when the connection is gone.
    package func flush() -> Bool {
        guard unsafe mosquitto_want_write(handle) else { return true }
        let corked = unsafe mosquitto_socket(handle)
        gather(true, corked)
        defer { gather(false, corked) }
        while unsafe mosquitto_want_write(handle) {
            let socket = unsafe mosquitto_socket(handle)
            guard socket >= 0 else { return false }
            var entry = pollfd(fd: socket, events: Int16(POLLOUT) | 0x2000, revents: 0)
            guard unsafe poll(&entry, 1, 1_000) > 0 else { return true }
            // 0x2000 is POLLRDHUP, which the Glibc module does not import.
            if entry.revents & (0x2000 | Int16(POLLHUP) | Int16(POLLERR)) != 0 { return true }
            guard unsafe mosquitto_loop_write(handle, 1) == MOSQ_ERR_SUCCESS.rawValue else {
                return false
            }
        }
        return true
    }

    /// Lets what is written leave together, and not each acknowledgement by itself: a packet of its
    /// own for four bytes costs us and the broker more than all else about them.
    private func gather(_ isOn: Bool, _ socket: Int32) {
        var value: Int32 = isOn ? 1 : 0
        _ = unsafe setsockopt(
            socket,
            Int32(IPPROTO_TCP),
            TCP_CORK,
            &value,
            socklen_t(MemoryLayout<Int32>.size)
        )
    }

    private func check(_ code: Int32, _ what: String) throws(BrokerError) {
        guard code == MOSQ_ERR_SUCCESS.rawValue else { throw BrokerError(what: what, code: code) }
    }
}
