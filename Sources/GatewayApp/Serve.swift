import AdvisorWeb
import ConfigFiles
import CoreLoop
import Decoding
import Foundation
import GatewayCore
import Hummingbird
import Logging
import MQTTSource
import ServiceLifecycle
import Store
package import Telemetry
import Threads
import UnixSignals

/// The gateway as a service: broker session, core, pages, and the order in which they start and
/// stop.
package enum Serve {
    /// Runs until SIGTERM or SIGINT; returns after everything is committed and closed.
    ///
    /// `catchUp` is for demonstrations: a clock that plays history first.
    package static func run(configPath: String, catchUp: CatchUpClock?) async throws {
        let assembly = try Assembly(configPath: configPath)
        let settings = assembly.settings
        let level = Logger.Level(rawValue: settings.logLevel) ?? .info
        guard settings.brokerMode == .external || WebServer.isLoopback(settings.brokerHost) else {
            throw ConfigError(
                file: configPath,
                line: 0,
                column: 0,
                message:
                    "broker.host \(settings.brokerHost) is not loopback, and the embedded broker "
                    + "asks for no password: run a broker of your own with broker.mode: external"
            )
        }
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        let logger = Logger(label: "gateway")
        let clock: @Sendable () -> Timestamp = {
            let wall = WallClock.now()
            return catchUp?.time(atWall: wall) ?? wall
        }

        let store = try GatewayStore(path: settings.storePath, durability: .full)
        let desk = Desk(store)
        try await checkLogins(desk, settings, configPath: configPath, logger)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations,
            retention: assembly.retention,
            outbox: assembly.outbox
        )
        let (gateway, recall) = try assembly.start(store, writer, now: clock())
        logger.info(
            "store opened",
            metadata: ["store.path": "\(store.path)", "vehicles": "\(gateway.vehicleCount)"]
        )

        var broker: EmbeddedBroker?
        if settings.brokerMode == .embedded {
            let embedded = EmbeddedBroker(
                host: settings.brokerHost,
                port: settings.brokerPort,
                folder: settings.embeddedData,
                logger: logger
            )
            try embedded.start(configuration: settings.embeddedConfig)
            broker = embedded
        }
        let hasHistory = gateway.vehicleCount > 0
        let core = CoreLoop(clock: clock, logger: logger)
        core.start(
            gateway,
            writer: writer,
            recall: recall,
            registry: assembly.registry
        )
        let source = MQTTSource(
            address(settings),
            filters: MQTTSource.native + gateway.sourceFilters,
            logger: logger,
            clock: clock
        )
        let net = DedicatedThread(name: "net") {
            source.run(
                confirmations: { core.takeRebuilt() },
                expectsSession: hasHistory,
                onSessionLost: { core.note(.sessionLost) }
            ) { batch in
                core.deliver(batch).map(BatchOutcome.committed) ?? .abandoned
            }
        }
        let line = MessageLine(messageAddress(settings), logger: logger)
        let shutdown = Shutdown(
            source: source,
            line: line,
            net: net,
            core: core,
            broker: broker,
            store: store,
            logger: logger
        )
        do {
            try await serveWeb(assembly, core, source, line, store, clock, logger)
        } catch {
            await shutdown.run()
            throw error
        }
        await shutdown.run()
    }

    /// Without a user everybody is the advisor, which only this machine may have.
    private static func checkLogins(
        _ desk: Desk,
        _ settings: GatewaySettings,
        configPath: String,
        _ logger: Logger
    ) async throws {
        guard try await !desk.hasUsers() else { return }
        guard WebServer.isLoopback(settings.webHost) else {
            throw ConfigError(
                file: configPath,
                line: 0,
                column: 0,
                message: "web.host \(settings.webHost) is not loopback, and nobody could log in "
                    + "there: create a user first with `gateway users add NAME --role admin`"
            )
        }
        logger.notice(
            "no user has been created: whoever sits at this machine is the advisor",
            metadata: ["next": "gateway users add NAME --role ROLE"]
        )
    }

    /// The same broker, in a session of its own.
    private static func messageAddress(_ settings: GatewaySettings) -> BrokerAddress {
        var address = address(settings)
        address.clientID += "-messages"
        return address
    }

    static func address(_ settings: GatewaySettings) -> BrokerAddress {
        BrokerAddress(
            host: settings.brokerHost,
            port: settings.brokerPort,
            clientID: settings.clientID,
            username: settings.username,
            password: settings.password,
            caFile: settings.caFile,
            certificateFile: settings.certificateFile,
            keyFile: settings.keyFile,
            keepaliveSeconds: settings.keepaliveSeconds,
            receiveMaximum: settings.receiveMaximum
        )
    }

    private static func serveWeb(
        _ assembly: Assembly,
        _ core: CoreLoop,
        _ source: MQTTSource,
        _ line: MessageLine,
        _ store: GatewayStore,
        _ clock: @escaping @Sendable () -> Timestamp,
        _ logger: Logger
    ) async throws {
        let settings = assembly.settings
        let reload = RuleReload(assembly, core: core, logger: logger)
        let services = WebServices(
            core: core,
            reads: ReadStore(store),
            desk: Desk(store),
            catalogue: assembly.catalogue,
            rules: { reload.rules },
            reload: { try await reload.run(by: $0) },
            stations: assembly.stations,
            jobs: assembly.jobs,
            messages: assembly.messages,
            clock: clock,
            wallClock: { WallClock.now() },
            feed: {
                let status = source.status
                return FeedHealth(
                    isConnected: status.isConnected,
                    reconnects: status.reconnects,
                    lostSessions: status.lostSessions,
                    sessionLostAt: status.sessionLostAt,
                    lastError: status.lastError
                )
            }
        )
        let post = PostOffice(
            services: services,
            line: line,
            file: settings.messagesFile,
            logger: logger
        )
        line.start { reply in
            // The thread waits until the core has answered: only then the broker may forget it.
            let done = Reply<Bool>()
            Task {
                await post.take(reply)
                done.send(true)
            }
            while done.receive(waitingMilliseconds: 10_000) == nil, core.status.isRecalling {}
        }
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let web = try WebServer.make(
            services: services,
            host: settings.webHost,
            port: settings.webPort,
            logger: quiet
        ) { port in
            logger.info(
                "advisors' page",
                metadata: ["url": "http://\(settings.webHost):\(port)/inbox"]
            )
        }
        let webhooks = WebhookService(
            services: services,
            source: settings.eventSource,
            logger: logger
        )
        var running: [any Service] = [
            web, ReloadOnSignal(reload: reload), DeskService(services: services, post: post),
            webhooks, StopIntake(core: core, source: source, line: line),
        ]
        if let format = settings.eventsOverMQTT {
            running.append(
                EventFeed(
                    services: services,
                    line: line,
                    format: format,
                    source: settings.eventSource,
                    logger: logger
                )
            )
        } else {
            try await services.desk.endEventFeed()
        }
        var configuration = ServiceGroupConfiguration(
            services: running.map { .init(service: $0) },
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: quiet
        )
        // A client that never finishes its request must not hold up the stop.
        configuration.maximumGracefulShutdownDuration = .seconds(10)
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch let error as ServiceGroupError {
            throw error
        } catch is CancellationError {
            logger.warning("open requests were cut off")
        } catch {
            throw ServeError(
                description: "the page cannot be served at \(settings.webHost):\(settings.webPort) "
                    + "(web.host, web.port): \(error)"
            )
        }
    }
}

/// A part of the service that does not start.
private struct ServeError: Error, CustomStringConvertible {
    let description: String
}

/// First thing of a stop: nothing more is read, and whoever waits for a commit does not wait for a
/// broken disk.
private struct StopIntake: Service {
    let core: CoreLoop
    let source: MQTTSource
    let line: MessageLine

    func run() async throws {
        try await gracefulShutdown()
        core.stopRetrying()
        source.stop()
        line.close()
    }
}

/// Stops what was started, in reverse: stop reading, commit, acknowledge, close.
private struct Shutdown: Sendable {
    let source: MQTTSource
    let line: MessageLine
    let net: DedicatedThread
    let core: CoreLoop
    let broker: EmbeddedBroker?
    let store: GatewayStore
    let logger: Logger

    func run() async {
        // The joins block, so they get a thread of their own.
        await withCheckedContinuation { continuation in
            _ = DedicatedThread(name: "shutdown") {
                // The net thread may be waiting for a commit that cannot succeed.
                core.stopRetrying()
                source.stop()
                line.stop()
                net.join()
                core.stop()
                broker?.stop()
                do { try store.close() } catch {
                    logger.error("the store did not close", metadata: ["error": "\(error)"])
                }
                logger.info("stopped")
                continuation.resume()
            }
        }
    }
}
