package import CoreLoop
package import GatewayCore
package import Hummingbird
import HummingbirdCore
package import Logging
package import Messages
package import Rules
package import Store
import Synchronization
package import Telemetry
package import Workshop

/// When a piece of work that comes round was last done.
package final class LastRun: Sendable {
    private let latest = Mutex<Timestamp?>(nil)

    package var time: Timestamp? { latest.withLock { $0 } }

    package func note(_ time: Timestamp) { latest.withLock { $0 = time } }
}

/// How the feed of readings is doing, as the pages and probes say it.
package struct FeedHealth: Sendable {
    package var isConnected: Bool
    package var reconnects: Int
    package var lostSessions: Int
    /// When the broker was last found to have lost our session: readings may be missing.
    package var sessionLostAt: Timestamp?
    package var lastError: String?

    package init(
        isConnected: Bool,
        reconnects: Int,
        lostSessions: Int,
        sessionLostAt: Timestamp?,
        lastError: String?
    ) {
        self.isConnected = isConnected
        self.reconnects = reconnects
        self.lostSessions = lostSessions
        self.sessionLostAt = sessionLostAt
        self.lastError = lastError
    }
}

/// Everything a request handler may ask; handlers hold no state of their own.
package struct WebServices: Sendable {
    package var core: CoreLoop
    package var reads: ReadStore
    package var desk: Desk
    package var catalogue: Catalogue
    package var rules: @Sendable () -> [Rule]
    /// Reads the rule files anew; throws what is wrong with them.
    package var reload: @Sendable (Actor) async throws -> Answer
    package var stations: [Station]
    package var jobs: [Job]
    package var messages: MessageBook
    /// When what the desk owes was last paid.
    package let deskRun = LastRun()
    /// The core's time, which a demonstration lets run faster.
    package var clock: @Sendable () -> Timestamp
    /// The time of the wall: sessions and kept answers live by it.
    package var wallClock: @Sendable () -> Timestamp
    package var feed: @Sendable () -> FeedHealth

    package init(
        core: CoreLoop,
        reads: ReadStore,
        desk: Desk,
        catalogue: Catalogue,
        rules: @escaping @Sendable () -> [Rule],
        reload: @escaping @Sendable (Actor) async throws -> Answer,
        stations: [Station],
        jobs: [Job],
        messages: MessageBook,
        clock: @escaping @Sendable () -> Timestamp,
        wallClock: @escaping @Sendable () -> Timestamp,
        feed: @escaping @Sendable () -> FeedHealth
    ) {
        self.core = core
        self.reads = reads
        self.desk = desk
        self.catalogue = catalogue
        self.rules = rules
        self.reload = reload
        self.stations = stations
        self.jobs = jobs
        self.messages = messages
        self.clock = clock
        self.wallClock = wallClock
        self.feed = feed
    }

    func station(_ code: String) -> Station {
        stations.first { $0.code == code } ?? stations[0]
    }
}

/// The advisors' pages, the API and the probes.
package enum WebServer {
    package static func make(
        services: WebServices,
        host: String,
        port: Int,
        logger: Logger,
        onRunning: @escaping @Sendable (Int) async -> Void
    ) throws -> some ApplicationProtocol {
        let router = try router(
            services: services,
            isLoopback: isLoopback(host),
            routes: try routes(services: services)
        )
        return Application(
            router: router,
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port),
                serverName: nil,
                availableConnectionsDelegate: MaximumAvailableConnections(Limits.connectionsMax)
            ),
            onServerRunning: { channel in
                await onRunning(channel.localAddress?.port ?? port)
            },
            logger: logger
        )
    }

    /// Every route there is, by path and method.
    package static func routes(services: WebServices) throws -> [Route] {
        try router(services: services, isLoopback: true, routes: []).routes
            .map { Route(method: $0.method.rawValue, path: $0.path.description) }
            .sorted { ($0.path, $0.method) < ($1.path, $1.method) }
    }

    /// From the outside in: headers, errors, origin, rights, repeats, and then the handlers.
    private static func router(
        services: WebServices,
        isLoopback: Bool,
        routes: [Route]
    ) throws -> Router<WebContext> {
        let router = Router(context: WebContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: SecurityHeaders())
        router.add(middleware: ProblemResponses(routes: routes))
        router.add(middleware: SameOrigin(isLoopback: isLoopback))
        router.add(middleware: AccessGate(services: services, isLoopback: isLoopback))
        router.add(middleware: IdempotentPosts(services: services))
        let frame = try PageFrame(services: services)
        Pages(services: services, frame: frame).addRoutes(to: router)
        LoginPages(services: services, frame: frame).addRoutes(to: router)
        SuggestionsAPI(services: services).addRoutes(to: router)
        HandlingAPI(services: services).addRoutes(to: router)
        AppointmentsAPI(services: services).addRoutes(to: router)
        HoldsAPI(services: services).addRoutes(to: router)
        WorkshopAPI(services: services).addRoutes(to: router)
        IndicatorsAPI(services: services).addRoutes(to: router)
        PreparationAPI(services: services).addRoutes(to: router)
        RulesAPI(services: services).addRoutes(to: router)
        IngestAPI(services: services).addRoutes(to: router)
        VehiclesAPI(services: services).addRoutes(to: router)
        StationsAPI(services: services).addRoutes(to: router)
        AuditAPI(services: services).addRoutes(to: router)
        WebhooksAPI(services: services).addRoutes(to: router)
        CalendarFeed(services: services).addRoutes(to: router)
        CustomersAPI(services: services).addRoutes(to: router)
        MessagesAPI(services: services).addRoutes(to: router)
        Probes(services: services).addRoutes(to: router)
        Events(services: services).addRoutes(to: router)
        return router
    }

    /// `localhost`, `::1`, or an IPv4 address in 127/8 written in full; a name that merely begins
    /// like one may belong to anybody.
    package static func isLoopback(_ host: String) -> Bool {
        if host.lowercased() == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
