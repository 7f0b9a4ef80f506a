enum ThreadsStub {}
