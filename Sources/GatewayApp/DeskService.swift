import AdvisorWeb
import CoreLoop
import ServiceLifecycle

/// What the desk owes, paid with every beat of the core: a few seconds at most after it arose, and
/// after a restart just the same.
struct DeskService: Service {
    let services: WebServices
    let post: PostOffice

    func run() async throws {
        guard let beats = services.core.changes.subscribe() else { return }
        for await _ in beats.cancelOnGracefulShutdown() {
            await services.tellCoreNews()
            await post.sendDue()
            services.deskRun.note(services.clock())
        }
    }
}
