enum CoreLoopStub {}
