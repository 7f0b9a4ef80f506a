import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// The exclusive right to write one store file: a lock the kernel takes back when the process
/// ends, however it ends.
final class StoreLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock of the store at `path`.
    init(path: String) throws(StoreError) {
        let lockPath = path + ".lock"
        let descriptor = unsafe open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let cause = unsafe String(cString: strerror(errno))
            throw .unopenable(path: path, cause: cause)
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let owner = (try? String(contentsOfFile: lockPath, encoding: .utf8)) ?? ""
            close(descriptor)
            throw .locked(path: path, owner: owner)
        }
        ftruncate(descriptor, 0)
        let owner = Array("process \(getpid())".utf8)
        _ = unsafe owner.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        self.descriptor = descriptor
    }

    /// Gives the file free; what follows from the owner would race with the next one.
    func release() {
        flock(descriptor, LOCK_UN)
    }

    deinit {
        close(descriptor)
    }
}
